"""By direct invoke and by schedule: raw objects' events once more. Event: contracts/api/schemas/replay.request.json."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from aws_lambda_powertools.utilities.typing import LambdaContext

from exchange.platform.contracts import contract
from exchange.platform.faults import contain_faults
from exchange.platform.log import logger
from exchange.platform.metrics import record_counts
from exchange.recovery.jobs import Progress
from exchange.recovery.replaying import Replayer, replayer, resume

SERVICE = "replay"


@contain_faults(SERVICE)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    contract("api/schemas/replay.request").validate(event)
    request = {name: value for name, value in event.items() if name != "action"}
    return _ACTIONS[event["action"]](
        replayer(), request, lambda: context.get_remaining_time_in_millis() / 1000
    )


def _run(replayer: Replayer, request: dict[str, Any], remaining: Callable[[], float]) -> dict[str, Any]:
    return _report(replayer.run(replayer.start({**request, "shards": 1}), 0, remaining()))


def _start(replayer: Replayer, request: dict[str, Any], remaining: Callable[[], float]) -> dict[str, Any]:
    return {"job_id": str(replayer.start(request)), "shards": request.get("shards", 1)}


def _continue(replayer: Replayer, request: dict[str, Any], remaining: Callable[[], float]) -> dict[str, Any]:
    return _report(replayer.run(UUID(request["job_id"]), request["shard"], remaining()))


def _resume(replayer: Replayer, request: dict[str, Any], remaining: Callable[[], float]) -> dict[str, Any]:
    return {"resumed": [_report(progress) for progress in resume(replayer, remaining)]}


def _cancel(replayer: Replayer, request: dict[str, Any], remaining: Callable[[], float]) -> dict[str, Any]:
    return {"cancelled": replayer.jobs.cancel(UUID(request["job_id"]))}


def _report(progress: Progress) -> dict[str, Any]:
    record_counts(SERVICE, {"Replayed": progress.gained("emitted"), "Restored": progress.gained("restored")})
    logger(SERVICE).info("shard replayed", published=progress.gained("emitted"), status=progress.waits_for)
    return progress.encode()


_ACTIONS = {"run": _run, "start": _start, "continue": _continue, "resume": _resume, "cancel": _cancel}
