"""Functions that take too much, die, or are left alone."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests
from botocore.exceptions import BotoCoreError

from integration.running import ROOT, STATE, Running, running, wait_until


@pytest.fixture(scope="module")
def supervised(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    output = tmp_path_factory.mktemp("supervised") / "output.txt"
    with running(output, "--no-prestart", template="supervised.yaml") as started:
        yield started


@pytest.mark.parametrize(
    "asked",
    [
        {"mb": 200, "seconds": 10},
        {"mb": 200, "briefly": True},
        {"mb": 10, "child_mb": 200},
    ],
    ids=["held", "given back before the next look", "held by a child"],
)
def test_a_function_beyond_its_memory_is_ended_and_says_so_as_on_lambda(
    supervised: Running, asked: dict[str, Any]
) -> None:
    answer = supervised.invoke("HungryFunction", asked)
    assert answer["FunctionError"] == "Unhandled"
    error = json.loads(answer["Payload"].read())
    request_id = answer["ResponseMetadata"]["RequestId"]
    assert error == {
        "errorType": "Runtime.OutOfMemory",
        "errorMessage": f"RequestId: {request_id} Error: Runtime exited with error: signal: killed",
    }
    report = f"REPORT RequestId: {request_id}"
    wait_until(lambda: report in supervised.log())
    line = next(line for line in supervised.log().splitlines() if report in line)
    assert "Max Memory Used: 128 MB" in line
    assert line.endswith("Status: error\tError Type: Runtime.OutOfMemory")
    assert supervised.result("HungryFunction", {"mb": 10})["statusCode"] == 200


def test_a_caller_of_the_api_gets_502_when_memory_ran_out(supervised: Running) -> None:
    answer = requests.post(supervised.api + "/hungry", json={"mb": 300}, timeout=30)
    assert answer.status_code == 502


def test_memory_that_forked_processes_share_counts_once(supervised: Running) -> None:
    assert supervised.result("HungryFunction", {"mb": 60, "forks": 4})["statusCode"] == 200


def test_nothing_that_a_function_started_outlives_an_ordered_stop(tmp_path: Path) -> None:
    pids = tmp_path / "pids.json"
    with running(tmp_path / "output.txt", "--no-prestart", template="supervised.yaml") as started:
        processes = [psutil.Process(pid) for pid in started.result("ParentFunction", _start(pids, seconds=0))]
        assert all(process.is_running() for process in processes)
    assert not psutil.wait_procs(processes, timeout=30)[1]


def test_the_next_runner_ends_what_a_killed_one_left_and_nobody_else(tmp_path: Path) -> None:
    pids = tmp_path / "pids.json"
    # What is built is kept by content, and is the same for all.
    state = (f"--state-dir={tmp_path}", f"--build-dir={STATE / 'build'}")
    stranger = psutil.Popen(["sleep", "600"], start_new_session=True)
    try:
        with running(tmp_path / "first.txt", "--no-prestart", *state, template="supervised.yaml") as first:
            threading.Thread(target=_invoke_in_vain, args=(first, _start(pids, seconds=600))).start()
            wait_until(lambda: pids.exists() and pids.read_text().endswith("]"))
            environment, *children = [psutil.Process(pid) for pid in json.loads(pids.read_text())]
            first.process.send_signal(signal.SIGKILL)
            # Busy in its handler, it would never ask for another event.
            environment.wait(30)
        assert all(child.is_running() for child in children)
        with running(tmp_path / "second.txt", "--no-prestart", *state, template="supervised.yaml") as second:
            assert not psutil.wait_procs(children, timeout=30)[1]
            wait_until(lambda: "Ended 2 processes that a killed runner had left." in second.log())
            assert stranger.is_running()
            # A third beside the second leaves alone what belongs to a living runner.
            mine = psutil.Process(second.result("ParentFunction", _start(pids, seconds=0))[1])
            with running(tmp_path / "third.txt", "--no-prestart", *state, template="supervised.yaml"):
                assert mine.is_running()
    finally:
        stranger.kill()
        stranger.wait()


def test_folders_may_be_given_as_seen_from_here(tmp_path: Path) -> None:
    state = f"--state-dir={STATE.relative_to(ROOT)}"
    with running(tmp_path / "output.txt", state, template="supervised.yaml") as started:
        assert started.result("HungryFunction", {"mb": 1})["statusCode"] == 200


def _start(pids: Path, seconds: float) -> dict[str, Any]:
    return {"pids": str(pids), "seconds": seconds}


def _invoke_in_vain(runner: Running, event: dict[str, Any]) -> None:
    with pytest.raises(BotoCoreError):
        runner.invoke("ParentFunction", event)
