from __future__ import annotations

import base64
import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
import requests
from botocore.exceptions import BotoCoreError, ClientError

from integration.running import Running, running, wait_until


def test_a_function_answers_by_name_and_by_arn(runner: Running) -> None:
    first = runner.result("DyingFunction")
    assert runner.result("arn:aws:lambda:us-east-1:123456789012:function:DyingFunction") == first
    answer = runner.invoke("DyingFunction")
    assert answer["StatusCode"] == 200
    assert answer["ExecutedVersion"] == "$LATEST"
    assert "FunctionError" not in answer


def test_an_exception_is_an_unhandled_error_with_its_type_and_trace(runner: Running) -> None:
    answer = runner.invoke("DyingFunction", {"raise": True})
    assert answer["FunctionError"] == "Unhandled"
    error = json.loads(answer["Payload"].read())
    assert (error["errorType"], error["errorMessage"]) == ("ValueError", "asked to")
    assert error["stackTrace"]


def test_a_dead_environment_fails_its_invoke_and_a_new_one_starts(runner: Running) -> None:
    before = runner.result("DyingFunction")["pid"]
    answer = runner.invoke("DyingFunction", {"die": True})
    assert answer["FunctionError"] == "Unhandled"
    error = json.loads(answer["Payload"].read())
    assert error["errorType"] == "Runtime.ExitError"
    assert error["errorMessage"].endswith("Runtime exited with error: exit status 3")
    assert runner.result("DyingFunction")["pid"] != before


def test_a_function_that_takes_too_long_is_ended_and_the_next_invoke_works(runner: Running) -> None:
    error = runner.result("SlowFunction", {"seconds": 600})
    assert error["errorType"] == "Sandbox.Timedout"
    assert error["errorMessage"].endswith("Task timed out after 1.00 seconds")
    assert runner.result("SlowFunction", {"seconds": 0})["pid"]


def test_a_function_that_cannot_be_imported_says_so(runner: Running) -> None:
    answer = runner.invoke("BrokenFunction")
    assert answer["FunctionError"] == "Unhandled"
    assert json.loads(answer["Payload"].read())["errorType"] == "Runtime.ImportModuleError"


def test_beyond_its_reserved_concurrency_a_function_is_throttled(runner: Running, tmp_path: Path) -> None:
    end = tmp_path / "end"
    with ThreadPoolExecutor(2) as threads:
        held = {"until": str(end)}
        sleeping = [threads.submit(runner.result, "ReservedFunction", held) for _ in range(2)]
        wait_until(lambda: runner.at_work("ReservedFunction") == (2, 0))
        assert is_throttled(runner)
        end.touch()
        assert len({future.result()["pid"] for future in sleeping}) == 2
    assert runner.result("ReservedFunction", {"seconds": 0})["pid"]


def is_throttled(runner: Running) -> bool:
    """Return whether the function is at its limit; the refusal must be Lambda's, word for word."""
    try:
        runner.invoke("ReservedFunction", {"seconds": 0})
    except ClientError as refusal:
        response = refusal.response
        assert response["ResponseMetadata"]["HTTPStatusCode"] == 429
        assert response["Error"] == {"Code": "TooManyRequestsException", "Message": "Rate Exceeded."}
        assert response["Reason"] == "ReservedFunctionConcurrentInvocationLimitExceeded"
        assert response["Type"] == "User"
        return True
    return False


def test_one_client_after_another_is_served_by_the_same_environment(runner: Running) -> None:
    assert len({runner.result("EnvironmentFunction")["pid"] for _ in range(20)}) == 1


def test_a_function_sees_what_lambda_gives_and_nothing_of_the_developer(runner: Running) -> None:
    seen = runner.result("EnvironmentFunction")
    variables = seen["variables"]
    assert variables["GREETING"] == "hello"
    assert variables["AWS_LAMBDA_FUNCTION_NAME"] == "EnvironmentFunction"
    assert variables["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"] == "256"
    assert variables["AWS_ACCESS_KEY_ID"] == "given"
    assert "DEVELOPERS" not in variables
    assert "HOME" not in variables
    assert seen["folder"] == variables["LAMBDA_TASK_ROOT"]
    assert not [entry for entry in seen["path"] if "site-packages" in entry]
    assert 0 < seen["remaining_ms"] <= 5000
    assert seen["arn"] == "arn:aws:lambda:us-east-1:123456789012:function:EnvironmentFunction"


def test_the_callers_client_context_arrives(runner: Running) -> None:
    context = base64.b64encode(json.dumps({"custom": {"who": "me"}}).encode()).decode()
    answer = runner.invoke("EnvironmentFunction", ClientContext=context)
    assert json.loads(answer["Payload"].read())["custom"] == {"who": "me"}


def test_layers_of_all_three_kinds_are_found(runner: Running) -> None:
    assert runner.result("LayeredFunction") == {
        "greetings": "good day",
        "made": "made",
        "python": f"{sys.version_info.major}.{sys.version_info.minor}",
        "plain": "plain",
    }


def test_the_tail_of_the_log_comes_with_the_answer(runner: Running) -> None:
    answer = runner.invoke("DyingFunction", {}, LogType="Tail")
    tail = base64.b64decode(answer["LogResult"]).decode()
    assert tail.startswith("START RequestId: ")
    assert "a line of mine" in tail
    assert "Max Memory Used: " in tail


@pytest.mark.parametrize(
    ("function", "payload", "status", "code"),
    [
        ("Nobody", b"{}", 404, "ResourceNotFoundException"),
        ("DyingFunction", b"{not json", 400, "InvalidRequestContentException"),
        ("DyingFunction", b" " * 6_300_000, 413, "RequestEntityTooLargeException"),
        ("OffFunction", b"{}", 429, "TooManyRequestsException"),
    ],
)
def test_a_call_that_cannot_be_is_refused_as_lambda_does(
    runner: Running, function: str, payload: bytes, status: int, code: str
) -> None:
    with pytest.raises(ClientError) as refusal:
        runner.client().invoke(FunctionName=function, Payload=payload)
    assert refusal.value.response["ResponseMetadata"]["HTTPStatusCode"] == status
    assert refusal.value.response["Error"]["Code"] == code


def test_large_events_travel_up_to_six_megabytes(runner: Running) -> None:
    assert runner.result("LargeFunction", {"text": "x" * 6_000_000}) == 6_000_000


def test_large_answers_travel_up_to_six_megabytes(runner: Running) -> None:
    assert len(runner.result("LargeFunction", {"bytes": 6_000_000})) == 6_000_000
    error = runner.result("LargeFunction", {"bytes": 6_300_000})
    assert error["errorType"] == "Function.ResponseSizeTooLarge"
    assert len(runner.result("LargeFunction", {"bytes": 3})) == 3


def test_a_dry_run_runs_nothing(runner: Running) -> None:
    before = runner.status()["functions"]["DyingFunction"]["invocations"]
    assert runner.invoke("DyingFunction", {}, InvocationType="DryRun")["StatusCode"] == 204
    assert runner.status()["functions"]["DyingFunction"]["invocations"] == before


def test_an_asynchronous_invoke_is_tried_again_as_often_as_the_template_says(runner: Running) -> None:
    event = {"fails": True, "mark": "asynchronous"}
    assert runner.invoke("RememberFunction", event, InvocationType="Event")["StatusCode"] == 202
    wait_until(lambda: runner.remembered().count(event) == 2)
    time.sleep(0.5)
    assert runner.remembered().count(event) == 2


def test_a_schedule_fires_at_the_start_and_when_triggered(runner: Running) -> None:
    wait_until(lambda: {"ticks": 1} in runner.remembered())
    fired = runner.remembered().count({"ticks": 1})
    url = runner.endpoints["admin"] + "/schedules/RememberFunctionTick/trigger"
    assert requests.post(url, timeout=30).status_code == 202
    wait_until(lambda: runner.remembered().count({"ticks": 1}) == fired + 1)
    assert requests.post(url.replace("Tick", "Tock"), timeout=30).status_code == 404


def test_without_sources_nothing_fires_but_what_is_triggered(tmp_path: Path) -> None:
    with running(tmp_path / "output.txt", "--no-sources", "--no-prestart", ReadsKafka="true") as runner:
        status = runner.status()
        assert status["schedules"]["RememberFunctionTick"]["fired"] == 0
        assert status["event_sources"] == {}
        url = runner.endpoints["admin"] + "/schedules/RememberFunctionTick/trigger"
        assert requests.post(url, timeout=30).status_code == 202
        wait_until(lambda: runner.remembered() == [{"ticks": 1}])


def test_embedded_metrics_become_prometheus_series_and_stay_off_the_screen(runner: Running) -> None:
    runner.invoke("MetricFunction", {"times": 2})
    labels = '{function="MetricFunction",service="till"}'
    wait_until(lambda: runner.metrics().get(f"shop_orders_taken_total{labels}") == 6)
    metrics = runner.metrics()
    assert metrics[f"shop_took_seconds_sum{labels}"] == 0.5
    assert metrics[f"shop_took_seconds_count{labels}"] == 2
    assert metrics[f"shop_backlog{labels}"] == 7
    assert "CloudWatchMetrics" not in runner.log()


def test_status_and_metrics_count_invocations_and_errors(runner: Running) -> None:
    before = runner.status()["functions"]["DyingFunction"]
    runner.invoke("DyingFunction", {"raise": True})
    wait_until(
        lambda: runner.status()["functions"]["DyingFunction"]["invocations"] == before["invocations"] + 1
    )
    after = runner.status()["functions"]["DyingFunction"]
    assert after["errors"] == before["errors"] + 1
    assert after["p50_ms"] > 0
    assert runner.metrics()['lambda_errors_total{error="Unhandled",function="DyingFunction"}'] >= 1


def test_the_log_names_function_and_request(runner: Running) -> None:
    request_id = runner.invoke("DyingFunction")["ResponseMetadata"]["RequestId"]
    wait_until(lambda: f"REPORT RequestId: {request_id}" in runner.log())
    assert f"[DyingFunction {request_id}] a line of mine" in runner.log()
    assert f"[DyingFunction {request_id}] END RequestId: {request_id}" in runner.log()


def test_killing_the_runner_leaves_no_function_behind(tmp_path: Path) -> None:
    with running(tmp_path / "output.txt") as runner, ThreadPoolExecutor(1) as thread:
        children = psutil.Process(runner.process.pid).children(recursive=True)
        busy = thread.submit(attempt, runner)
        wait_until(lambda: runner.at_work("ReservedFunction") == (1, 0))
        runner.process.kill()
        busy.result()
        assert children
        wait_until(lambda: not any(child.is_running() for child in children))


def test_stopping_lets_an_invoke_end_and_ends_every_process(tmp_path: Path) -> None:
    with running(tmp_path / "output.txt") as runner, ThreadPoolExecutor(1) as thread:
        children = psutil.Process(runner.process.pid).children(recursive=True)
        busy = thread.submit(runner.result, "ReservedFunction", {"seconds": 1})
        wait_until(lambda: runner.at_work("ReservedFunction") == (1, 0))
        requests.post(runner.endpoints["admin"] + "/stop", timeout=30)
        assert busy.result()["pid"]
        assert runner.process.wait(60) == 0
        assert not any(child.is_running() for child in children)


def attempt(runner: Running) -> None:
    with pytest.raises(BotoCoreError):
        runner.invoke("ReservedFunction", {"seconds": 30})
