"""What an operator, or a schedule, asks of replay, reconcile and redrive: by their contracts, and the answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from exchange.ledger.model import Selection
from exchange.platform.contracts import contract
from exchange.recovery.jobs import Progress, resume
from exchange.recovery.reconciling import Reconciler
from exchange.recovery.redriving import Redriver
from exchange.recovery.replaying import Replayer

LISTED_LETTERS = 100
REDRIVE_PAGE = 500


@dataclass(frozen=True)
class Answer:
    """What goes back, the shards that were worked on, and what is open where that was looked at."""

    body: dict[str, Any]
    progress: Sequence[Progress] = ()
    open_findings: Mapping[str, int] | None = None

    def gained(self, name: str) -> int:
        """What this invoke added to a number."""
        return sum(progress.gained(name) for progress in self.progress)


def operate_replay(
    replayer: Replayer, event: Mapping[str, Any], remaining_seconds: Callable[[], float]
) -> Answer:
    """Do what the event asks for. Raises ContractViolation, naming the field, or DependencyUnavailable."""
    contract("api/schemas/replay.request").validate(event)
    request = {name: value for name, value in event.items() if name != "action"}
    match event["action"]:
        case "run":
            return _of_shard(replayer.run(replayer.start({**request, "shards": 1}), 0, remaining_seconds()))
        case "continue":
            return _of_shard(replayer.run(UUID(request["job_id"]), request["shard"], remaining_seconds()))
        case "resume":
            resumed = resume(replayer, remaining_seconds)
            return Answer({"resumed": [progress.encode() for progress in resumed]}, resumed)
        case "start":
            return Answer({"job_id": str(replayer.start(request)), "shards": request.get("shards", 1)})
        case _:
            return Answer({"cancelled": replayer.jobs.cancel(UUID(request["job_id"]))})


def operate_reconcile(
    reconciler: Reconciler, event: Mapping[str, Any], remaining_seconds: Callable[[], float]
) -> Answer:
    """Do what the event asks for. Raises ContractViolation, naming the field, or DependencyUnavailable."""
    contract("api/schemas/reconcile.request").validate(event)
    request = {name: value for name, value in event.items() if name != "action"}
    match event["action"]:
        case "run":
            return _watched(reconciler, _run(reconciler, request, remaining_seconds))
        case "continue":
            done = reconciler.run(UUID(request["job_id"]), request["shard"], remaining_seconds())
            return _watched(reconciler, _of_shard(done))
        case "look_again":
            counts = reconciler.look_again(request, remaining_seconds)
            return _watched(reconciler, Answer({"counts": counts.values}))
        case "findings":
            return Answer(reconciler.read_findings(request))
        case "start":
            return Answer({"job_id": str(reconciler.start(request)), "shards": request.get("shards", 1)})
        case _:
            return Answer({"cancelled": reconciler.jobs.cancel(UUID(request["job_id"]))})


def operate_redrive(redriver: Redriver, event: Mapping[str, Any], request_id: str) -> dict[str, Any]:
    """Do what the event asks for. Raises ContractViolation, naming the field, or DependencyUnavailable."""
    contract("api/schemas/redrive.request").validate(event)
    letters = redriver.letters
    match event["action"]:
        case "list" if event.get("by", "reason") == "reason":
            return {"reasons": letters.list_reasons()}
        case "list":
            after, limit = event.get("after", 0), event.get("limit", LISTED_LETTERS)
            found = letters.list_letters(reason=event.get("reason"), after=after, limit=limit)
            return {"dead_letters": found}
        case "show":
            return letters.show(event["dead_letter_id"])
    numbers = event.get("dead_letter_ids")
    selection = Selection(
        datetime.fromisoformat(event["as_of"]) if "as_of" in event else letters.now(),
        None if numbers is None else tuple(numbers),
        event.get("reason"),
    )
    limit = event.get("limit", REDRIVE_PAGE)
    if event.get("dry_run", False):
        return redriver.preview(selection, limit=limit).encode()
    report = redriver.redrive(selection, limit=limit, request_id=request_id, case_ref=event.get("case"))
    return report.encode()


def _run(
    reconciler: Reconciler, request: Mapping[str, Any], remaining_seconds: Callable[[], float]
) -> Answer:
    # Half of the time at most: however many findings are open, what is new is looked at.
    half = remaining_seconds() / 2
    reconciler.look_again(request, lambda: remaining_seconds() - half)
    # What the last run did not get through comes before what is new.
    left = resume(reconciler, remaining_seconds)
    if left and not left[-1].done:
        return _of_shard(left[-1])
    return _of_shard(reconciler.run(reconciler.start({**request, "shards": 1}), 0, remaining_seconds()))


def _of_shard(progress: Progress) -> Answer:
    return Answer(progress.encode(), [progress])


def _watched(reconciler: Reconciler, answer: Answer) -> Answer:
    found = reconciler.count_open()
    return Answer({**answer.body, "open_findings": found}, answer.progress, found)
