"""The rows of dead letters, for listing and redriving."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, cast
from uuid import UUID

from exchange.dead_letters.model import LetterSelection, RefusedLetter, Unsendable, WaitingLetter
from exchange.outbox.model import OutboxEvent
from exchange.platform.db import Row, Transaction
from exchange.platform.queries import load_queries

QUERIES = load_queries(__file__)


def read_reasons(transaction: Transaction) -> list[dict[str, Any]]:
    """Read the classes of open dead letters."""
    columns = (
        *("reason", "stage", "error_type", "error_message", "dead_letters", "redriven", "readable"),
        *("refused", "most_redrives", "first_failed_at", "last_failed_at"),
    )
    return _rows(columns, transaction.execute(QUERIES["read_reasons"]))


def read_letters(
    transaction: Transaction, *, reason: str | None, after: int, limit: int
) -> list[dict[str, Any]]:
    """Read up to `limit` open dead letters with numbers greater than `after`."""
    columns = (
        *("dead_letter_id", "reason", "state", "record_id", "partner_id", "record_kind", "stage"),
        *("error_message", "attempts", "redrives", "refusal", "failed_at"),
    )
    asked = {"reason": reason, "after": after, "limit": limit}
    return _rows(columns, transaction.execute(QUERIES["read_letters"], asked))


def read_letter(transaction: Transaction, dead_letter_id: int) -> dict[str, Any] | None:
    """Read one dead letter, open or closed."""
    columns = (
        *(
            "dead_letter_id",
            "reason",
            "state",
            "record_id",
            "event_id",
            "partner_id",
            "source",
            "record_kind",
        ),
        *("schema_hint", "topic", "partition", "offset", "event_sha256", "stage", "error_type"),
        *("error_message", "attempts", "failed_at", "redrives", "redriven_at", "refusal", "refused_at"),
        *("closed_at", "has_event"),
    )
    found = transaction.execute(QUERIES["read_letter"], {"dead_letter_id": dead_letter_id})
    return next(iter(_rows(columns, found)), None)


def count_waiting(transaction: Transaction, selection: LetterSelection) -> int:
    """Count the letters of a selection that its redrive has not reached yet."""
    ((count,),) = transaction.execute(QUERIES["count_waiting"], _selected(selection))
    return int(count)


def read_waiting(transaction: Transaction, selection: LetterSelection, limit: int) -> list[WaitingLetter]:
    """Read, by number, the first `limit` letters that a redrive has not reached yet."""
    rows = transaction.execute(QUERIES["read_waiting"], {**_selected(selection), "limit": limit})
    return [WaitingLetter(*row) for row in rows]


def redrive(
    transaction: Transaction,
    dead_letter_ids: Sequence[int],
    rebuilt: Mapping[int, bytes],
    request_id: str,
    case_ref: str | None,
) -> tuple[int, ...]:
    """Send the events of these letters again, stored or else rebuilt.

    Return the numbers of the letters sent: those that another process works on are skipped.
    """
    taken = transaction.execute(QUERIES["take_letters"], {"dead_letter_ids": list(dead_letter_ids)})
    letters = [
        (dead_letter_id, record_id, OutboxEvent(topic, str(record_id), bytes(value)))
        for dead_letter_id, record_id, topic, stored in taken
        if (value := stored or rebuilt.get(dead_letter_id)) is not None
    ]
    if not letters:
        return ()
    events = [event for _, _, event in letters]
    transaction.execute(
        QUERIES["redrive"],
        {
            "dead_letter_ids": [dead_letter_id for dead_letter_id, _, _ in letters],
            "record_ids": [record_id for _, record_id, _ in letters],
            "request_id": request_id,
            "case_ref": case_ref,
            "shards": [event.shard for event in events],
            "topics": [event.topic for event in events],
            "keys": [event.key for event in events],
            "values": [event.value for event in events],
        },
    )
    return tuple(dead_letter_id for dead_letter_id, _, _ in letters)


def refuse(
    transaction: Transaction, refusals: Mapping[int, Unsendable], request_id: str, case_ref: str | None
) -> tuple[RefusedLetter, ...]:
    """Record why letters are not sent again; return those recorded, without any that another process works on."""
    if not refusals:
        return ()
    rows = transaction.execute(
        QUERIES["refuse"],
        {
            "dead_letter_ids": list(refusals),
            "refusals": [refusal.value for refusal in refusals.values()],
            "request_id": request_id,
            "case_ref": case_ref,
        },
    )
    return tuple(RefusedLetter(number, record_id, refusals[number]) for number, record_id, _ in rows)


def read_now(transaction: Transaction) -> datetime:
    """Read the database's clock."""
    ((now,),) = transaction.execute(QUERIES["read_now"])
    return cast(datetime, now)


def _selected(selection: LetterSelection) -> dict[str, object]:
    ids = selection.dead_letter_ids
    return {
        "as_of": selection.as_of,
        "dead_letter_ids": None if ids is None else list(ids),
        "reason": selection.reason,
    }


def _rows(columns: Sequence[str], rows: Iterable[Row]) -> list[dict[str, Any]]:
    """Return rows as JSON objects."""
    return [
        {
            name: value.isoformat()
            if isinstance(value, datetime)
            else str(value)
            if isinstance(value, UUID)
            else value
            for name, value in zip(columns, row, strict=True)
        }
        for row in rows
    ]
