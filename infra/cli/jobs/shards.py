"""The shards of a job, run side by side: each is invoked until it is done, and a failed one is tried again alone."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from threading import Thread
from typing import Any

from infra.cli.clients.lambda_api import FunctionFailed, FunctionRefused, call

ATTEMPTS = 4


@dataclass
class ShardRun:
    """The result of one shard so far. `error` is None once it is done."""

    shard: int
    invokes: int = 0
    failures: int = 0
    done: bool = False
    progress: float = 0.0
    waits_for: str | None = None
    counts: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0
    error: str | None = None


@dataclass(frozen=True)
class JobRun:
    """The run of one job: its shards side by side, and `watch` called after every invocation."""

    client: Any
    function: str
    job_id: str
    watch: Callable[[ShardRun], None]
    sleep: Callable[[float], None] = time.sleep

    def run(self, shards: Sequence[int]) -> list[ShardRun]:
        """Run every shard until it is done or has failed ATTEMPTS times in a row. Raises FunctionRefused."""
        runs = [ShardRun(shard) for shard in shards]
        raised: list[Exception] = []

        def work(run: ShardRun) -> None:
            try:
                self._run(run, len(runs))
            except Exception as error:  # noqa: BLE001 - raised below, where the command is
                raised.append(error)

        # Daemons: Ctrl-C does not wait for the invokes that are under way.
        threads = [Thread(target=work, args=(run,), daemon=True) for run in runs]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if raised:
            raise raised[0]
        return runs

    def _run(self, run: ShardRun, shards: int) -> None:
        began = time.monotonic()
        failed_in_a_row = 0
        while not run.done and failed_in_a_row < ATTEMPTS:
            run.invokes += 1
            try:
                answer = self._continue(run.shard, shards)
            except FunctionRefused:
                raise
            except FunctionFailed as failed:
                failed_in_a_row += 1
                run.failures += 1
                run.error = str(failed)
                self.sleep(2.0**failed_in_a_row / 2)
            else:
                failed_in_a_row = 0
                run.error = None
                run.done, run.progress, run.counts = answer["done"], answer["progress"], answer["counts"]
                run.waits_for = answer["waits_for"]
                if not run.done and answer["resume_after_seconds"]:
                    self.sleep(answer["resume_after_seconds"])
            run.seconds = time.monotonic() - began
            self.watch(run)

    def _continue(self, shard: int, shards: int) -> dict[str, Any]:
        request = {"action": "continue", "job_id": self.job_id, "shard": shard}
        answer = call(self.client, self.function, request)
        if answer["shards"] != shards:
            raise FunctionRefused(f"--shards: this job has {answer['shards']}")
        return answer


def total(runs: Sequence[ShardRun]) -> dict[str, int]:
    """Return the numbers of all shards, summed by name."""
    counts: dict[str, int] = {}
    for run in runs:
        for name, number in run.counts.items():
            # a time, not a count
            if name != "in_flight_since":
                counts[name] = counts.get(name, 0) + number
    return counts
