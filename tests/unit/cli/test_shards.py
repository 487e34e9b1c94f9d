"""A job's shards run side by side; one that fails is tried again alone, and goes on where it stood."""

from __future__ import annotations

import io
import json
import threading
from typing import Any

import pytest

from infra.cli.lambda_client import FunctionFailed
from infra.cli.recovery.shards import ATTEMPTS, Fleet, ShardRun, total


class FakeLambda:
    """Answers each shard's invokes from a script: an answer, or None for a failure."""

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


def answer(done: bool, emitted: int, pause: float = 0.0, shards: int = 1) -> dict[str, Any]:
    return {
        "shards": shards,
        "done": done,
        "progress": 1.0 if done else 0.5,
        "counts": {"emitted": emitted},
        "waits_for": None if done else "rate",
        "resume_after_seconds": pause,
    }


def run(script: dict[int, list[dict[str, Any] | None]]) -> tuple[list[ShardRun], FakeLambda, list[float]]:
    client, slept = FakeLambda(script), list[float]()
    fleet = Fleet(client, "ReplayFunction", "a-job", lambda _: None, slept.append)
    return fleet.run(sorted(script)), client, slept


def test_every_shard_is_invoked_until_it_is_through() -> None:
    runs, client, slept = run({0: [answer(False, 3, 0.25), answer(True, 7)], 1: [answer(True, 5)]})
    assert [(r.done, r.invokes, r.counts["emitted"]) for r in runs] == [(True, 2, 7), (True, 1, 5)]
    assert sorted(client.asked) == [0, 0, 1]
    assert slept == [0.25]
    assert total(runs) == {"emitted": 12}


def test_some_shards_of_a_job_are_not_the_job() -> None:
    with pytest.raises(FunctionFailed, match="has 8 shards; go on with: --job a-job --shards 8"):
        run({shard: [answer(True, 1, shards=8)] for shard in range(4)})


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
