from __future__ import annotations

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import requests
from botocore.exceptions import ClientError

from integration.running import Running, wait_until


def test_an_environment_too_slow_to_start_is_tried_once_more_with_the_functions_own_time(
    edges: Running,
) -> None:
    assert edges.result("SlowToStartFunction") == "up"
    wait_until(lambda: edges.log().count("[SlowToStartFunction] INIT_REPORT Status: error") == 1)


def test_an_environment_that_never_starts_fails_its_invoke(edges: Running) -> None:
    answer = edges.invoke("NeverStartedFunction")
    assert answer["FunctionError"] == "Unhandled"
    assert json.loads(answer["Payload"].read())["errorType"] == "Sandbox.Timedout"
    assert edges.status()["functions"]["NeverStartedFunction"]["environments"] == 0


def test_a_gateway_that_waits_too_long_answers_504_and_the_function_goes_on(edges: Running) -> None:
    before = edges.status()["functions"]["WaitingFunction"]["invocations"]
    response = requests.post(edges.api + "/wait", data="3", timeout=60)
    assert (response.status_code, response.json()) == (504, {"error": "INTEGRATION_TIMEOUT"})
    wait_until(lambda: edges.status()["functions"]["WaitingFunction"]["invocations"] == before + 1)
    assert edges.status()["functions"]["WaitingFunction"]["errors"] == 0


def test_a_function_scales_out_to_its_reserved_concurrency_and_refuses_what_is_beyond(
    edges: Running, tmp_path: Path
) -> None:
    end = tmp_path / "end"
    with ThreadPoolExecutor(12) as threads:
        answers = threads.map(lambda _: pid_unless_throttled(edges, end), range(12))
        wait_until(lambda: edges.at_work("ScaledFunction") == (5, 0))
        end.touch()
        pids = {pid for pid in answers if pid}
    assert len(pids) == 5
    assert edges.status()["functions"]["ScaledFunction"]["environments"] == 5


def test_a_function_that_reserves_nothing_queues_beyond_the_runners_own_limit(
    edges: Running, tmp_path: Path
) -> None:
    end = tmp_path / "end"
    with ThreadPoolExecutor(6) as threads:
        answers = [threads.submit(edges.result, "QueueingFunction", {"until": str(end)}) for _ in range(2)]
        # Both have started: else the first would take what is meant for the second.
        wait_until(lambda: edges.at_work("QueueingFunction") == (2, 0))
        answers += [threads.submit(edges.result, "QueueingFunction", {"until": str(end)}) for _ in range(4)]
        wait_until(lambda: edges.at_work("QueueingFunction") == (2, 4))
        end.touch()
        pids = {answer.result()["pid"] for answer in answers}
    assert len(pids) == 2


def pid_unless_throttled(edges: Running, end: Path) -> int | None:
    """Return the pid of the process that slept until `end`, or None if the invocation was refused."""
    try:
        pid: int = edges.result("ScaledFunction", {"until": str(end)})["pid"]
    except ClientError as refusal:
        assert refusal.response["Error"]["Code"] == "TooManyRequestsException"
        return None
    return pid


def test_a_runtime_that_is_not_installed_is_named_once_with_what_stands_for_it(edges: Running) -> None:
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    line = f"python3.99 is not installed: its functions run on Python {version}"
    assert edges.log().count(line) == 1
    assert edges.result("FutureFunction")["variables"]["AWS_EXECUTION_ENV"] == "AWS_Lambda_python3.99"


def test_a_schedule_of_the_second_kind_fires(edges: Running) -> None:
    wait_until(lambda: {"ticks": 2} in edges.remembered())
    assert edges.status()["schedules"]["RememberFunctionTick"]["expression"] == "rate(2 hours)"


def test_the_gateways_own_answer_is_the_templates(edges: Running) -> None:
    response = requests.get(edges.api + "/no/where", headers={"X-Sent": "sent"}, timeout=60)
    assert response.status_code == 404
    assert response.json() == {
        "error": "Missing Authentication Token",
        "code": "no_route",
        "at": "/live/no/where",
    }
    assert (response.headers["X-Fixed"], response.headers["X-Seen"]) == ("always", "sent")


def test_a_kind_of_answer_that_the_template_leaves_out_takes_its_class_default(edges: Running) -> None:
    broken = requests.post(edges.api + "/wait", data="not a number", timeout=60)
    assert (broken.status_code, broken.json()) == (502, {"error": "INTEGRATION_FAILURE"})
    large = requests.post(edges.api + "/wait", data=b"x" * (10 * 1024 * 1024 + 1), timeout=60)
    assert (large.status_code, large.json()) == (413, {"message": "Request Too Long"})
