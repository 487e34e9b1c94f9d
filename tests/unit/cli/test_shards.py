"""The shards of a job run concurrently; a failed one is retried alone and continues from its checkpoint."""

from __future__ import annotations

import io
import json
import signal
import threading
from typing import Any

import pytest

from infra.cli.clients.lambda_api import FunctionRefused
from infra.cli.jobs.progress import run_shards
from infra.cli.jobs.shards import ATTEMPTS, JobRun, ShardRun, total


class FakeLambda:
    """Answers each shard's invocations from a script; None in the script is a failure."""

    def __init__(self, script: dict[int, list[dict[str, Any] | None]]) -> None:
        self._script = script
        self._lock = threading.Lock()
        self.asked: list[int] = []

    def invoke(self, *, FunctionName: str, Payload: bytes) -> dict[str, Any]:  # noqa: N803 - boto3's names
        request = json.loads(Payload)
        assert (FunctionName, request["action"], request["job_id"]) == ("ReplayFunction", "continue", "a-job")
        with self._lock:
            self.asked.append(request["shard"])
            answer = self._script[request["shard"]].pop(0)
        if answer is None:
            failure = {"errorType": "InvocationFailed", "errorMessage": "the bucket cannot be listed"}
            return {"FunctionError": "Unhandled", "Payload": io.BytesIO(json.dumps(failure).encode())}
        return {"Payload": io.BytesIO(json.dumps(answer).encode())}


def answer(done: bool, emitted: int, pause: float = 0.0) -> dict[str, Any]:
    return {
        "shards": 1,
        "done": done,
        "progress": 1.0 if done else 0.5,
        "counts": {"emitted": emitted},
        "waits_for": None if done else "rate",
        "resume_after_seconds": pause,
    }


def run(script: dict[int, list[dict[str, Any] | None]]) -> tuple[list[ShardRun], FakeLambda, list[float]]:
    for answers in script.values():
        for one in answers:
            if one is not None:
                one["shards"] = len(script)
    client, slept = FakeLambda(script), list[float]()
    fleet = JobRun(client, "ReplayFunction", "a-job", lambda _: None, slept.append)
    return fleet.run(sorted(script)), client, slept


def test_every_shard_is_invoked_until_it_is_through() -> None:
    runs, client, slept = run({0: [answer(False, 3, 0.25), answer(True, 7)], 1: [answer(True, 5)]})
    assert [(r.done, r.invokes, r.counts["emitted"]) for r in runs] == [(True, 2, 7), (True, 1, 5)]
    assert sorted(client.asked) == [0, 0, 1]
    assert slept == [0.25]
    assert total(runs) == {"emitted": 12}


def test_a_failed_shard_is_tried_again_alone() -> None:
    runs, client, _ = run({0: [answer(True, 3)], 1: [None, None, answer(True, 4)], 2: [answer(True, 5)]})
    assert [(r.done, r.failures, r.error) for r in runs] == [
        (True, 0, None),
        (True, 2, None),
        (True, 0, None),
    ]
    assert [client.asked.count(shard) for shard in range(3)] == [1, 3, 1]


def test_a_shard_that_keeps_failing_is_given_up_and_takes_no_other_with_it() -> None:
    runs, client, slept = run({0: [None] * ATTEMPTS, 1: [answer(True, 4)]})
    assert [(r.done, r.error) for r in runs] == [
        (False, "ReplayFunction: the bucket cannot be listed"),
        (True, None),
    ]
    assert client.asked.count(0) == ATTEMPTS
    assert slept == sorted(slept)


def test_a_success_between_failures_begins_the_count_anew() -> None:
    runs, _, _ = run({0: [None, None, answer(False, 1), None, None, None, answer(True, 2)]})
    assert (runs[0].done, runs[0].failures) == (True, 5)


class Refusing:
    """Refuses every event, and counts its invocations."""

    def __init__(self) -> None:
        self.asked = 0

    def invoke(self, **_: object) -> dict[str, Any]:
        self.asked += 1
        refusal = {"errorType": "InvocationRefused", "errorMessage": "shard: is not a shard of a known job"}
        return {"FunctionError": "Unhandled", "Payload": io.BytesIO(json.dumps(refusal).encode())}


def test_what_is_refused_is_not_asked_again() -> None:
    client = Refusing()
    with pytest.raises(FunctionRefused, match="ReplayFunction: shard: is not a shard of a known job"):
        JobRun(client, "ReplayFunction", "a-job", lambda _: None).run([0])
    assert client.asked == 1


def test_a_job_is_not_called_done_when_some_of_its_shards_were_never_asked_for() -> None:
    client = FakeLambda({0: [answer(True, 3) | {"shards": 4}]})
    with pytest.raises(FunctionRefused, match="--shards: this job has 4"):
        JobRun(client, "ReplayFunction", "a-job", lambda _: None).run([0])


class Interrupted:
    """Simulates a Ctrl-C during an invocation that takes longer than anybody would wait."""

    def __init__(self) -> None:
        self.answered = threading.Event()

    def invoke(self, **_: object) -> dict[str, Any]:
        main = threading.main_thread().ident
        assert main is not None
        signal.pthread_kill(main, signal.SIGINT)
        self.answered.wait(60)
        return {"Payload": io.BytesIO(b"{}")}


@pytest.mark.parametrize("changes", [True, False])
def test_ctrl_c_waits_for_no_invoke_and_says_what_becomes_of_a_job_that_changes_something(
    changes: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    client = Interrupted()
    with pytest.raises(KeyboardInterrupt):
        run_shards(
            client, "ReplayFunction", "a-job", 1, command="replay", title="", counted="", changes=changes
        )
    client.answered.set()
    told = capsys.readouterr().err
    assert ("go on with: exchange replay --job a-job --shards 1" in told) is changes
    assert ('{"action": "cancel", "job_id": "a-job"}' in told) is changes
