"""`exchange lineage`"""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from infra.cli.clients.lambda_api import FunctionFailed, call, lambda_client
from infra.cli.failure import fail
from infra.cli.options import AsJson, DataDir
from infra.cli.running_system import running_system
from infra.cli.screen.tables import console, moment, table
from infra.system.layout import DEFAULT_DATA_DIR


def lineage(
    record_id: Annotated[str, typer.Argument(help="The record_id of the 202 answer.")],
    as_json: AsJson = False,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Trace a record: raw object, events, attempts, canonical row, derived rows.

    The exit code is 1 if the record is unknown.

    Example: exchange lineage 5573a23f-05d6-4b02-9aff-4998ee4f6ac3
    """
    try:
        found = call(lambda_client(running_system(data_dir)), "LineageFunction", {"record_id": record_id})
    except FunctionFailed as failed:
        fail(str(failed))
    known = any(found[part] for part in ("raw_object", "stages", "attempts", "dead_letters", "erased"))
    if as_json:
        print(json.dumps(found, indent=2))
    elif known:
        _show(found)
    if not known:
        fail("nobody knows this record")


def _show(found: dict[str, Any]) -> None:
    screen = console()
    raw, canonical, erased = found["raw_object"], found["canonical"], found["erased"]
    rows = ", ".join(f"{count} {name}" for name, count in found["derived"].items() if count)
    stages = ", ".join(f"{stage['stage']} {stage['state']}" for stage in found["stages"])
    facts = [
        ("record", found["record_id"]),
        ("raw object", raw and f"{raw['bucket']}/{raw['object_key']}, {raw['size_bytes']:,} bytes"),
        ("accepted", raw and f"{raw['occurred_at']} from {raw['source']}, {raw['record_kind']}"),
        ("state", stages or None),
        ("canonical", canonical and f"{canonical['record_kind']} of {canonical['partner_id']}"),
        ("derived", rows or None),
        ("erased", erased and f"{erased['erased_at']}, erasure {erased['erasure_id']}"),
    ]
    screen.print(table(("", ""), facts))
    for event in found["waiting_events"]:
        screen.print(
            f"\nwaits for {event['topic']} since {event['created_at']}, tried {event['attempts']} times"
        )
    if found["attempts"]:
        left_off = found["attempts_left_off"]
        heads = ("ATTEMPT", "state", "error", "started", "finished", "topic", "offset")
        screen.print(f"\nAttempts before these, left off: {left_off:,}" if left_off else "")
        screen.print(
            table(
                heads,
                [
                    (
                        number,
                        *(attempt["state"], attempt["error_code"]),
                        *(moment(attempt["started_at"]), moment(attempt["finished_at"])),
                        attempt["topic"],
                        f"{attempt['partition']}/{attempt['offset']}",
                    )
                    for number, attempt in enumerate(found["attempts"], start=left_off + 1)
                ],
            )
        )
    if found["dead_letters"]:
        columns = ("state", "redrives", "stage", "error_message")
        screen.print()
        screen.print(
            table(
                ("DEAD LETTER", *columns, "failed_at"),
                [
                    (
                        str(letter["dead_letter_id"]),
                        *(letter[name] for name in columns),
                        moment(letter["failed_at"]),
                    )
                    for letter in found["dead_letters"]
                ],
            )
        )
