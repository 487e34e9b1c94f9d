"""The dead letters that an operator reads and redrives. ADR 0011.

A redrive sends the event again, byte for byte, and gives the record five new attempts. It changes neither the event
nor the record: the cause of the failure has to be repaired first. A letter whose record fails again is dead again and
waits for another redrive. A letter that cannot be sent is refused with a reason, and the same redrive does not try it
again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any
from uuid import UUID

from exchange.dead_letters import store
from exchange.dead_letters.model import (
    LetterSelection,
    RedriveReport,
    RefusedLetter,
    Unsendable,
    WaitingLetter,
)
from exchange.dead_letters.rebuild import EventRebuilder
from exchange.errors import ContractViolation
from exchange.platform.contracts import contract
from exchange.platform.db import Database, database
from exchange.platform.settings import load_settings
from exchange.raw.entry import topics_by_version
from exchange.raw.reader import RawReader, raw_reader

LISTED_LETTERS = 100
REDRIVE_PAGE = 500
# Letters without an event per page: each costs a GET, or, without a manifest row, one per source and hour of a day.
REBUILT_PER_PAGE = 100


@dataclass(frozen=True)
class _Page:
    """A page of letters, examined before anything is locked."""

    letters: list[WaitingLetter]
    rebuilt: dict[int, bytes] = field(default_factory=dict)
    refusals: dict[int, Unsendable] = field(default_factory=dict)


class DeadLetters:
    """The dead letters of one environment."""

    def __init__(self, database: Database, reader: RawReader, topics: Mapping[str, str]) -> None:
        """Create the service; `topics` are by event version."""
        self._database = database
        self._rebuilder = EventRebuilder(database, reader, topics)

    def answer(self, event: Mapping[str, Any], request_id: str) -> dict[str, Any]:
        """Answer an operator's request, which contracts/api/schemas/redrive.request.json describes.

        Raises ContractViolation, naming the field, or DependencyUnavailable.
        """
        contract("api/schemas/redrive.request").validate(event)
        match event["action"]:
            case "list" if event.get("by", "reason") == "reason":
                return {"reasons": self.list_reasons()}
            case "list":
                after, limit = event.get("after", 0), event.get("limit", LISTED_LETTERS)
                found = self.list_letters(reason=event.get("reason"), after=after, limit=limit)
                return {"dead_letters": found}
            case "show":
                return self.show(event["dead_letter_id"])
        numbers = event.get("dead_letter_ids")
        selection = LetterSelection(
            datetime.fromisoformat(event["as_of"]) if "as_of" in event else self.now(),
            None if numbers is None else tuple(numbers),
            event.get("reason"),
        )
        limit = event.get("limit", REDRIVE_PAGE)
        if event.get("dry_run", False):
            return self.preview(selection, limit=limit).encode()
        report = self.redrive(selection, limit=limit, request_id=request_id, case_ref=event.get("case"))
        return report.encode()

    def list_reasons(self) -> list[dict[str, Any]]:
        """Return the classes of open letters, the largest first."""
        with self._database.transaction() as transaction:
            return store.read_reasons(transaction)

    def list_letters(self, *, reason: str | None, after: int, limit: int) -> list[dict[str, Any]]:
        """Return up to `limit` open letters of one class or all, by number, beginning after the number `after`."""
        with self._database.transaction() as transaction:
            return store.read_letters(transaction, reason=reason, after=after, limit=limit)

    def show(self, dead_letter_id: int) -> dict[str, Any]:
        """Return one letter; raises ContractViolation when there is none."""
        with self._database.transaction() as transaction:
            letter = store.read_letter(transaction, dead_letter_id)
        if letter is None:
            raise ContractViolation("there is no such dead letter", field="dead_letter_id")
        refusal = letter["refusal"]
        return letter | {"advice": Unsendable(refusal).advice if refusal else None}

    def preview(self, selection: LetterSelection, *, limit: int) -> RedriveReport:
        """Report what `redrive` would find, and which of the first `limit` letters it would refuse; change nothing."""
        page = self._examine(selection, limit)
        record_ids = {letter.dead_letter_id: letter.record_id for letter in page.letters}
        refused = [RefusedLetter(n, record_ids[n], refusal) for n, refusal in page.refusals.items()]
        with self._database.transaction() as transaction:
            waiting = store.count_waiting(transaction, selection)
        return RedriveReport(selection.as_of, (), tuple(refused), waiting)

    def redrive(
        self, selection: LetterSelection, *, limit: int, request_id: str, case_ref: str | None = None
    ) -> RedriveReport:
        """Send up to `limit` letters of the selection again, or refuse them.

        One transaction writes the events, their records' new attempts, the refusals, and an audit row for each letter,
        which names the case if there is one. Raises DependencyUnavailable.
        """
        page = self._examine(selection, limit)
        to_send = [n for letter in page.letters if (n := letter.dead_letter_id) not in page.refusals]
        with self._database.transaction() as transaction:
            redriven = store.redrive(transaction, to_send, page.rebuilt, request_id, case_ref)
            refused = store.refuse(transaction, page.refusals, request_id, case_ref)
            remaining = store.count_waiting(transaction, selection)
        return RedriveReport(selection.as_of, redriven, refused, remaining)

    def now(self) -> datetime:
        """Return the database's time, by which `as_of` is given."""
        with self._database.transaction() as transaction:
            return store.read_now(transaction)

    def _examine(self, selection: LetterSelection, limit: int) -> _Page:
        page = _Page([])
        lost: list[tuple[WaitingLetter, UUID]] = []
        with self._database.transaction() as transaction:
            waiting = store.read_waiting(transaction, selection, limit)
        for letter in waiting:
            if len(lost) == REBUILT_PER_PAGE:
                break
            page.letters.append(letter)
            if letter.record_id is None:
                page.refusals[letter.dead_letter_id] = Unsendable.EVENT_UNREADABLE
            elif not letter.is_dead:
                page.refusals[letter.dead_letter_id] = Unsendable.RECORD_NOT_DEAD
            elif not letter.has_event:
                lost.append((letter, letter.record_id))
        for letter, event in self._rebuilder.rebuild(lost):
            if isinstance(event, Unsendable):
                page.refusals[letter.dead_letter_id] = event
            else:
                page.rebuilt[letter.dead_letter_id] = event
        return page


@cache
def dead_letters() -> DeadLetters:
    """Return this environment's dead letters."""
    return DeadLetters(database(), raw_reader(), topics_by_version(load_settings()))
