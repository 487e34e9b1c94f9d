"""Jobs that span several invocations: a request, and a checkpoint for each shard."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Literal, Protocol, Self
from uuid import UUID, uuid4

from exchange.errors import ExchangeError, InvalidRequest
from exchange.platform.db import Database, Transaction
from exchange.platform.deadline import Deadline
from exchange.recovery import store
from exchange.recovery.model import Selection, Shard

# A page takes a second or two; its statements time out after ten.
RESERVE_SECONDS = 12.0
# Live events wait behind the events in the outbox: with this many, two or three seconds at most.
BACKLOG_LIMIT = 10_000
BACKLOG_PAUSE_SECONDS = 1.0
Job = Literal["replay", "reconcile"]


class ShardTaken(ExchangeError):
    """Another invocation has continued this shard, or its job was cancelled."""

    code = "shard_taken"
    retryable = True


class JobCancelled(InvalidRequest):
    """The job has been cancelled: the rest of it must not be done."""


@dataclass(frozen=True)
class Checkpoint:
    """The position of a shard; `earned_seconds` is the part of its rate that has accumulated."""

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
    """The position in which an invocation left a shard.

    `waits_for` is the reason why it stopped before the end: time, rate or outbox. `shards` is the number of the job's
    shards, `before` holds the counts at the beginning of the invocation.
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
        """Return the progress of a shard at a checkpoint; `before` holds its counts when the invocation began."""
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
        """Return how much this invocation added to a count."""
        return self.counts.get(name, 0) - self.before.get(name, 0)

    def encode(self) -> dict[str, Any]:
        """Return the progress as a JSON object."""
        kept = {name: value for name, value in asdict(self).items() if name != "before"}
        return kept | {"job_id": str(self.job_id), "progress": round(self.progress, 4)}


class Jobs:
    """The jobs of one kind."""

    def __init__(self, database: Database, job: Job) -> None:
        self._database = database
        self._job = job

    def start(self, request: Mapping[str, Any], shards: int) -> UUID:
        """Write a new job; its work begins when its shards are run."""
        job_id = uuid4()
        with self._database.transaction() as transaction:
            store.start_job(transaction, job_id, self._job, request, shards)
        return job_id

    def read(self, job_id: UUID, shard: int) -> Checkpoint:
        """Read the checkpoint of a shard.

        Raises InvalidRequest when there is no such shard, JobCancelled when its job was cancelled.
        """
        with self._database.transaction() as transaction:
            row = store.read_checkpoint(transaction, job_id, self._job, shard)
        if row is None:
            raise InvalidRequest("is not a shard of a known job", field="shard")
        request, shards, state, started_at, cursor, counts, progress, is_done, earned_seconds = row
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
        """Move the checkpoint with the effects in `transaction`; raise ShardTaken if it has moved meanwhile."""
        moved = store.save_checkpoint(
            transaction,
            checkpoint.job_id,
            checkpoint.shard.number,
            expected_cursor=checkpoint.cursor,
            cursor=cursor,
            counts=counts,
            progress=progress,
            paid_seconds=paid_seconds,
        )
        if not moved:
            raise ShardTaken("another invoke has gone on with this shard, or its job was cancelled")

    def finish_unless_last(self, checkpoint: Checkpoint) -> bool:
        """Finish the shard unless it is the last open one of its job; return True if it is the last."""
        with self._database.transaction() as transaction:
            return store.finish_unless_last(transaction, checkpoint.job_id, checkpoint.shard.number)

    def finish(self, checkpoint: Checkpoint) -> None:
        """Finish the shard, and with the last one the job."""
        with self._database.transaction() as transaction:
            store.finish_shard(transaction, checkpoint.job_id, checkpoint.shard.number)

    def cancel(self, job_id: UUID) -> bool:
        """End a running job; return False when there is none."""
        with self._database.transaction() as transaction:
            return store.cancel_job(transaction, job_id, self._job)

    def left_shards(self) -> list[tuple[UUID, int]]:
        """Return the shards that were begun and that no invocation works on any more."""
        with self._database.transaction() as transaction:
            return store.read_left_shards(transaction, self._job)

    def last_window_end(self) -> datetime | None:
        """Return the time up to which complete jobs over all sources have compared, less records then in flight."""
        with self._database.transaction() as transaction:
            return store.read_last_window(transaction, self._job)

    def is_outbox_full(self) -> bool:
        """Tell whether the outbox holds so many events that more would delay live ones."""
        with self._database.transaction() as transaction:
            return store.read_backlog(transaction, BACKLOG_LIMIT) >= BACKLOG_LIMIT


class Worker(Protocol):
    """A service, replay or reconcile, that works on the shards of its kind of job."""

    jobs: Jobs

    def run(self, job_id: UUID, shard: int, deadline: Deadline) -> Progress: ...


@dataclass(frozen=True)
class Answer:
    """The answer to an operator or a schedule, with the progress of the shards that were worked on.

    `open_findings` holds the number of open findings by kind, or None where they were not counted.
    """

    body: dict[str, Any]
    progress: Sequence[Progress] = ()
    open_findings: Mapping[str, int] | None = None

    @classmethod
    def of_shard(cls, progress: Progress) -> Self:
        """Return the answer about the work on one shard."""
        return cls(progress.encode(), [progress])

    def gained(self, name: str) -> int:
        """Return how much this invocation added to a count of all shards."""
        return sum(progress.gained(name) for progress in self.progress)


def resume(worker: Worker, deadline: Deadline) -> list[Progress]:
    """Continue every shard that no invocation works on any more, until the deadline."""
    resumed = []
    for job_id, shard in worker.jobs.left_shards():
        if deadline.has_passed:
            break
        try:
            resumed.append(worker.run(job_id, shard, deadline))
        except (ShardTaken, JobCancelled):
            # Another invocation works on it after all, or the job was cancelled.
            continue
    return resumed
