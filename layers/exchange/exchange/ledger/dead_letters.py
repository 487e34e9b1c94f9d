"""Dead letters, as an operator reads them and as a redrive takes them.

Redriving sends the event once more, byte for byte, and gives the record five attempts again. It changes nothing of the
event or the record: what made it fail has to be mended first. A letter whose record fails again is dead again, and
waits for somebody to ask again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from exchange.errors import ContractViolation
from exchange.ledger import letter_store as store
from exchange.ledger.model import Refusal, RefusedLetter, Selection, WaitingLetter
from exchange.platform.db import Database


@dataclass(frozen=True)
class RedriveReport:
    """One page of a redrive; `as_of` goes into the next one's selection, until nothing is remaining.

    Every letter of the selection is in the end redriven or refused, or was in somebody's hands and is remaining.
    """

    as_of: datetime
    redriven: tuple[int, ...]
    refused: tuple[RefusedLetter, ...]
    remaining: int

    def encode(self) -> dict[str, Any]:
        """As JSON has it."""
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


class DeadLetters:
    """The dead letters: no event, no identifier."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def list_reasons(self) -> list[dict[str, Any]]:
        """Open letters by class, the largest class first."""
        with self._database.transaction() as transaction:
            return store.read_reasons(transaction)

    def list_letters(self, *, reason: str | None, after: int, limit: int) -> list[dict[str, Any]]:
        """Open letters of a class, or of all, in order of their numbers."""
        with self._database.transaction() as transaction:
            return store.read_letters(transaction, reason=reason, after=after, limit=limit)

    def show(self, dead_letter_id: int) -> dict[str, Any]:
        """One letter; raises ContractViolation when there is none."""
        with self._database.transaction() as transaction:
            letter = store.read_letter(transaction, dead_letter_id)
        if letter is None:
            raise ContractViolation("there is no such dead letter", field="dead_letter_id")
        refusal = letter["refusal"]
        return letter | {"advice": Refusal(refusal).advice if refusal else None}

    def count_waiting(self, selection: Selection) -> int:
        """How many letters of the selection are neither redriven nor refused since it began."""
        with self._database.transaction() as transaction:
            return store.count_waiting(transaction, selection)

    def read_waiting(self, selection: Selection, limit: int) -> list[WaitingLetter]:
        """The first `limit` of them, by their numbers."""
        with self._database.transaction() as transaction:
            return store.read_waiting(transaction, selection, limit)

    def redrive(
        self,
        selection: Selection,
        letters: Sequence[WaitingLetter],
        rebuilt: Mapping[int, bytes],
        refusals: Mapping[int, Refusal],
        *,
        request_id: str,
        case_ref: str | None = None,
    ) -> RedriveReport:
        """Send letters again, those without stored bytes by the `rebuilt` ones, and refuse others, by their numbers.

        One transaction: events, their records' new beginning, refusals, and an audit row for each letter, which
        names the case where there is one.
        """
        to_send = [letter.dead_letter_id for letter in letters if letter.dead_letter_id not in refusals]
        with self._database.transaction() as transaction:
            redriven = store.redrive(transaction, to_send, rebuilt, request_id, case_ref)
            refused = store.refuse(transaction, refusals, request_id, case_ref)
            remaining = store.count_waiting(transaction, selection)
        return RedriveReport(selection.as_of, redriven, refused, remaining)

    def now(self) -> datetime:
        """The clock of `as_of`."""
        with self._database.transaction() as transaction:
            return store.read_now(transaction)
