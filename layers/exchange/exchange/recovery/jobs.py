"""Jobs that outlive an invoke: what was asked for, and how far each shard is."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Literal, Protocol, Self
from uuid import UUID, uuid4

from exchange.errors import ExchangeError, InvalidRequest
from exchange.platform.db import Database, Transaction
from exchange.platform.queries import load_queries
from exchange.recovery.model import Selection, Shard

QUERIES = load_queries(__file__)
# A page takes a second or two; its statements are given up after ten.
RESERVE_SECONDS = 12.0
Job = Literal["replay", "reconcile"]


class ShardTaken(ExchangeError):
    """Another invoke has gone on with this shard, or its job was cancelled."""

    code = "shard_taken"
    retryable = True


class JobCancelled(InvalidRequest):
    """Somebody has ended the job: what is left of it is not done, and is not to be."""


@dataclass(frozen=True)
class Checkpoint:
    """Where a shard stands. `earned_seconds` is how much of its rate has come together."""

    job_id: UUID
    shard: Shard
    request: Mapping[str, Any]
    started_at: datetime
    cursor: str | None
    counts: dict[str, int]
    progress: float
    is_done: bool
    earned_seconds: float

    @property
    def selection(self) -> Selection:
        return Selection.of(self.request)


@dataclass(frozen=True)
class Progress:
    """What an invoke left behind of a shard; `waits_for` says why it stopped before the end: time, rate or outbox.

    `shards` is how many the job has.
    """

    job_id: UUID
    shard: int
    shards: int
    done: bool
    progress: float
    counts: dict[str, int]
    waits_for: str | None
    resume_after_seconds: float
    before: dict[str, int]

    @classmethod
    def at(
        cls,
        checkpoint: Checkpoint,
        before: dict[str, int],
        waits_for: str | None = None,
        resume_after_seconds: float = 0.0,
        *,
        done: bool = False,
    ) -> Self:
        """What became of a shard that stood at `before`."""
        return cls(
            checkpoint.job_id,
            checkpoint.shard.number,
            checkpoint.shard.count,
            done,
            1.0 if done else checkpoint.progress,
            checkpoint.counts,
            waits_for,
            resume_after_seconds,
            before,
        )

    def gained(self, name: str) -> int:
        """How much this invoke added to a number."""
        return self.counts.get(name, 0) - self.before.get(name, 0)

    def encode(self) -> dict[str, Any]:
        """As JSON has it."""
        kept = {name: value for name, value in asdict(self).items() if name != "before"}
        return kept | {"job_id": str(self.job_id), "progress": round(self.progress, 4)}


class Jobs:
    """The jobs of one kind."""

    def __init__(self, database: Database, job: Job) -> None:
        self._database = database
        self._job = job

    def start(self, request: Mapping[str, Any], shards: int) -> UUID:
        """Write a new job down; its work begins with `read` of its shards."""
        job_id = uuid4()
        with self._database.transaction() as transaction:
            transaction.execute(QUERIES["prune_jobs"], {"job": self._job})
            transaction.execute(
                QUERIES["start_job"],
                {"job_id": job_id, "job": self._job, "request": json.dumps(request), "shards": shards},
            )
        return job_id

    def read(self, job_id: UUID, shard: int) -> Checkpoint:
        """Where a shard stands. Raises InvalidRequest when there is no such shard, JobCancelled when it is over."""
        with self._database.transaction() as transaction:
            rows = transaction.execute(
                QUERIES["read_checkpoint"], {"job_id": job_id, "job": self._job, "shard": shard}
            )
        if not rows:
            raise InvalidRequest("is not a shard of a known job", field="shard")
        ((request, shards, state, started_at, cursor, counts, progress, is_done, earned_seconds),) = rows
        if state == "cancelled" and not is_done:
            raise JobCancelled("was cancelled", field="job_id")
        return Checkpoint(
            job_id,
            Shard(shard, shards),
            request,
            started_at.astimezone(UTC),
            cursor,
            counts,
            progress,
            is_done,
            earned_seconds,
        )

    def save(
        self,
        transaction: Transaction,
        checkpoint: Checkpoint,
        cursor: str,
        counts: Mapping[str, int],
        progress: float,
        *,
        paid_seconds: float = 0.0,
    ) -> None:
        """Move the checkpoint with the effects in `transaction`. Raises ShardTaken when it is not ours."""
        moved = transaction.execute(
            QUERIES["save_checkpoint"],
            {
                "job_id": checkpoint.job_id,
                "shard": checkpoint.shard.number,
                "expected": checkpoint.cursor,
                "cursor": cursor,
                "counts": json.dumps(counts),
                "progress": progress,
                "paid_seconds": paid_seconds,
            },
        )
        if not moved:
            raise ShardTaken("another invoke has gone on with this shard, or its job was cancelled")

    def finish_unless_last(self, checkpoint: Checkpoint) -> bool:
        """The shard is through, unless it is the last one of its job; whether it is."""
        with self._database.transaction() as transaction:
            ((is_last,),) = transaction.execute(
                QUERIES["finish_unless_last"], {"job_id": checkpoint.job_id, "shard": checkpoint.shard.number}
            )
        return bool(is_last)

    def finish(self, checkpoint: Checkpoint) -> None:
        """The shard is through; with the last one the job is."""
        with self._database.transaction() as transaction:
            transaction.execute(
                QUERIES["finish_shard"], {"job_id": checkpoint.job_id, "shard": checkpoint.shard.number}
            )

    def cancel(self, job_id: UUID) -> bool:
        """Whether there was a running job to end."""
        with self._database.transaction() as transaction:
            return bool(transaction.execute(QUERIES["cancel_job"], {"job_id": job_id, "job": self._job}))

    def left_shards(self) -> list[tuple[UUID, int]]:
        """Shards that nobody works on any more."""
        with self._database.transaction() as transaction:
            return [
                (job_id, shard)
                for job_id, shard in transaction.execute(QUERIES["read_left_shards"], {"job": self._job})
            ]

    def last_window_end(self) -> datetime | None:
        """Up to when the last complete run over all sources has looked, less what was under way then."""
        with self._database.transaction() as transaction:
            rows = transaction.execute(QUERIES["read_last_window"], {"job": self._job})
        return rows[0][0].astimezone(UTC) if rows else None


class Worker(Protocol):
    """Who works on the shards of its kind of job."""

    jobs: Jobs

    def run(self, job_id: UUID, shard: int, remaining_seconds: float) -> Progress: ...


def resume(worker: Worker, remaining_seconds: Callable[[], float]) -> list[Progress]:
    """Go on with every shard that nobody works on any more, as far as the time goes."""
    resumed = []
    for job_id, shard in worker.jobs.left_shards():
        if remaining_seconds() <= RESERVE_SECONDS:
            break
        try:
            resumed.append(worker.run(job_id, shard, remaining_seconds()))
        except (ShardTaken, JobCancelled):
            # Somebody works on it after all, or nobody shall.
            continue
    return resumed
