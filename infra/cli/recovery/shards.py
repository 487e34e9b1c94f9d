"""A job's shards side by side: each is invoked until it is through, and a failed one is tried again alone."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from infra.cli.lambda_client import FunctionFailed, call

ATTEMPTS = 4


@dataclass
class ShardRun:
    """What became of one shard, of as many as its job said it has. `error` is None once it is through."""

    shard: int
    shards: int = 0
    invokes: int = 0
    failures: int = 0
    done: bool = False
    progress: float = 0.0
    waits_for: str | None = None
    counts: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0
    error: str | None = None


@dataclass(frozen=True)
class Fleet:
    """Invokes of one job, side by side; `watch` hears of every one of them."""

    client: Any
    function: str
    job_id: str
    watch: Callable[[ShardRun], None]
    sleep: Callable[[float], None] = time.sleep

    def run(self, shards: Sequence[int]) -> list[ShardRun]:
        """Run every shard to its end, or until it has failed ATTEMPTS times in a row.

        Raises FunctionFailed when the job has more shards than these.
        """
        with ThreadPoolExecutor(len(shards)) as threads:
            runs = list(threads.map(self._run, [ShardRun(shard) for shard in shards]))
        of_the_job = max(run.shards for run in runs)
        if of_the_job > len(runs):
            options = f"--job {self.job_id} --shards {of_the_job}"
            raise FunctionFailed(f"the job has {of_the_job} shards; go on with: {options}")
        return runs

    def _run(self, run: ShardRun) -> ShardRun:
        began = time.monotonic()
        failed_in_a_row = 0
        while not run.done and failed_in_a_row < ATTEMPTS:
            run.invokes += 1
            try:
                answer = self._continue(run.shard)
            except FunctionFailed as failed:
                failed_in_a_row += 1
                run.failures += 1
                run.error = str(failed)
                self.sleep(2.0**failed_in_a_row / 2)
            else:
                failed_in_a_row = 0
                run.error = None
                run.done, run.progress, run.counts = answer["done"], answer["progress"], answer["counts"]
                run.shards, run.waits_for = answer["shards"], answer["waits_for"]
                if not run.done and answer["resume_after_seconds"]:
                    self.sleep(answer["resume_after_seconds"])
            run.seconds = time.monotonic() - began
            self.watch(run)
        return run

    def _continue(self, shard: int) -> dict[str, Any]:
        request = {"action": "continue", "job_id": self.job_id, "shard": shard}
        return call(self.client, self.function, request)


def total(runs: Sequence[ShardRun]) -> dict[str, int]:
    """The numbers of all shards together."""
    counts: dict[str, int] = {}
    for run in runs:
        for name, number in run.counts.items():
            # a time, not a number of things
            if name != "in_flight_since":
                counts[name] = counts.get(name, 0) + number
    return counts
