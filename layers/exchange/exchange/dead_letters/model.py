"""Dead letters as a redrive sees them: selected, waiting, redriven or refused."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID


@dataclass(frozen=True)
class LetterSelection:
    """The dead letters that a redrive selects: some by number, a class by its reason, or, with neither, all.

    `as_of` is the database's time when the redrive began: letters redriven or refused since then are left out.
    """

    as_of: datetime
    dead_letter_ids: tuple[int, ...] | None = None
    reason: str | None = None


class Unsendable(StrEnum):
    """The reason why a dead letter cannot be sent again."""

    EVENT_UNREADABLE = "event_unreadable"
    RECORD_NOT_DEAD = "record_not_dead"
    RAW_OBJECT_MISSING = "raw_object_missing"
    RAW_OBJECT_CHANGED = "raw_object_changed"
    RECORD_UNKNOWN = "record_unknown"

    @property
    def advice(self) -> str:
        """An explanation of the reason, with advice for the operator."""
        return _ADVICE[self]


_ADVICE = {
    Unsendable.EVENT_UNREADABLE: "its event could not be read and names no record: "
    "exchange replay makes it anew from the raw object",
    Unsendable.RECORD_NOT_DEAD: "the ledger does not call its record dead: "
    "exchange lineage says where it stands, exchange replay sends it",
    Unsendable.RAW_OBJECT_MISSING: "its event's bytes and its raw object are gone: "
    "bring the object back, or have the record sent anew",
    Unsendable.RAW_OBJECT_CHANGED: "its event's bytes are gone and the raw object is not the one that was accepted: "
    "bring that version back",
    Unsendable.RECORD_UNKNOWN: "its event's bytes and its manifest row are gone, "
    "and no raw object is of the day it died: exchange reconcile --all --repair looks everywhere",
}


@dataclass(frozen=True)
class WaitingLetter:
    """A dead letter that a redrive has not reached yet; `record_id` is None if its event could not be read."""

    dead_letter_id: int
    record_id: UUID | None
    topic: str
    has_event: bool
    is_dead: bool
    failed_at: datetime


@dataclass(frozen=True)
class RefusedLetter:
    """A dead letter that was not sent again."""

    dead_letter_id: int
    record_id: UUID | None
    refusal: Unsendable


@dataclass(frozen=True)
class RedriveReport:
    """The report of one page of a redrive; `as_of` goes into the selection of the next page, until nothing remains.

    In the end every letter of the selection is redriven or refused, but for letters that another process works on.
    """

    as_of: datetime
    redriven: tuple[int, ...]
    refused: tuple[RefusedLetter, ...]
    remaining: int

    def encode(self) -> dict[str, Any]:
        """Return the report as a JSON object."""
        return {
            "as_of": self.as_of.isoformat(),
            "redriven": list(self.redriven),
            "refused": [
                {
                    "dead_letter_id": letter.dead_letter_id,
                    "record_id": letter.record_id and str(letter.record_id),
                    "refusal": letter.refusal.value,
                    "advice": letter.refusal.advice,
                }
                for letter in self.refused
            ],
            "remaining": self.remaining,
        }
