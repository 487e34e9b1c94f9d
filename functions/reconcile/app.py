"""By direct invoke and by schedule: bucket against tables. Event: contracts/api/schemas/reconcile.request.json."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from aws_lambda_powertools.utilities.typing import LambdaContext

from exchange.platform.contracts import contract
from exchange.platform.faults import contain_faults
from exchange.platform.log import logger
from exchange.platform.metrics import record_counts, record_gauges
from exchange.recovery.jobs import Progress
from exchange.recovery.reconciling import Reconciler, reconciler

SERVICE = "reconcile"
Remaining = Callable[[], float]


@contain_faults(SERVICE)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    contract("api/schemas/reconcile.request").validate(event)
    request = {name: value for name, value in event.items() if name != "action"}
    return _ACTIONS[event["action"]](
        reconciler(), request, lambda: context.get_remaining_time_in_millis() / 1000
    )


def _run(reconciler: Reconciler, request: dict[str, Any], remaining: Remaining) -> dict[str, Any]:
    _look_again(reconciler, request, remaining)
    return _report(reconciler, reconciler.run(reconciler.start({**request, "shards": 1}), 0, remaining()))


def _start(reconciler: Reconciler, request: dict[str, Any], remaining: Remaining) -> dict[str, Any]:
    return {"job_id": str(reconciler.start(request)), "shards": request.get("shards", 1)}


def _continue(reconciler: Reconciler, request: dict[str, Any], remaining: Remaining) -> dict[str, Any]:
    return _report(reconciler, reconciler.run(UUID(request["job_id"]), request["shard"], remaining()))


def _look_again(reconciler: Reconciler, request: dict[str, Any], remaining: Remaining) -> dict[str, Any]:
    counts = reconciler.look_again(request, remaining)
    return {"counts": counts.values, "open_findings": _watch(reconciler)}


def _findings(reconciler: Reconciler, request: dict[str, Any], remaining: Remaining) -> dict[str, Any]:
    return reconciler.read_findings(request)


def _cancel(reconciler: Reconciler, request: dict[str, Any], remaining: Remaining) -> dict[str, Any]:
    return {"cancelled": reconciler.jobs.cancel(UUID(request["job_id"]))}


def _report(reconciler: Reconciler, progress: Progress) -> dict[str, Any]:
    record_counts(
        SERVICE, {"Reconciled": progress.gained("records"), "Repaired": progress.gained("repaired")}
    )
    logger(SERVICE).info(
        "bucket reconciled", batch_size=progress.gained("records"), status=progress.waits_for
    )
    return {**progress.encode(), "open_findings": _watch(reconciler)}


def _watch(reconciler: Reconciler) -> dict[str, int]:
    found = reconciler.count_open()
    # Dead letters have an alarm of their own.
    waiting = sum(count for finding, count in found.items() if finding != "dead_lettered")
    record_gauges(SERVICE, {"OpenFindings": waiting})
    return found


_ACTIONS = {
    "run": _run,
    "start": _start,
    "continue": _continue,
    "look_again": _look_again,
    "findings": _findings,
    "cancel": _cancel,
}
