"""Dead letters, read and redriven by an operator.

Redriving sends the event once more, byte for byte, and gives the record five attempts again. It changes nothing of the
event or the record: what made it fail has to be mended first. A letter whose record fails again is dead again, and
waits for somebody to ask again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import cache
from typing import Any

from exchange.errors import ContractViolation
from exchange.ledger import store
from exchange.ledger.model import Selection
from exchange.platform.db import Database, database

PAGE_LIMIT = 500


@dataclass(frozen=True)
class RedriveReport:
    """One page of a redrive; `as_of` goes into the next one's selection, until nothing is remaining."""

    as_of: datetime
    redriven: tuple[int, ...]
    remaining: int


class DeadLetters:
    """The dead letters, as an operator sees them: no event, no identifier."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def list_reasons(self) -> list[dict[str, Any]]:
        """Open letters by class, the largest class first."""
        with self._database.transaction() as transaction:
            return store.read_reasons(transaction)

    def list_letters(self, *, reason: str | None, after: int, limit: int) -> list[dict[str, Any]]:
        """Open letters of a class, or of all, in order of their numbers."""
        with self._database.transaction() as transaction:
            return store.read_letters(transaction, reason=reason, after=after, limit=min(limit, PAGE_LIMIT))

    def show(self, dead_letter_id: int) -> dict[str, Any]:
        """One letter; raises ContractViolation when there is none."""
        with self._database.transaction() as transaction:
            letter = store.read_letter(transaction, dead_letter_id)
        if letter is None:
            raise ContractViolation("there is no such dead letter", field="dead_letter_id")
        return letter

    def count(self, selection: Selection) -> RedriveReport:
        """What `redrive` would find, and nothing done."""
        with self._database.transaction() as transaction:
            return RedriveReport(selection.as_of, (), store.count_redrivable(transaction, selection))

    def redrive(self, selection: Selection, *, limit: int, request_id: str) -> RedriveReport:
        """Send the events of up to `limit` letters again, in one transaction with their records' new beginning."""
        with self._database.transaction() as transaction:
            redriven = store.redrive(transaction, selection, min(limit, PAGE_LIMIT), request_id)
            remaining = store.count_redrivable(transaction, selection)
        return RedriveReport(selection.as_of, redriven, remaining)

    def now(self) -> datetime:
        """The clock of `as_of`."""
        with self._database.transaction() as transaction:
            return store.read_now(transaction)


def operate(letters: DeadLetters, event: Mapping[str, Any], request_id: str) -> dict[str, Any]:
    """Do what an operator asks; raises ContractViolation, naming the field."""
    action = event.get("action", "list")
    if action == "list" and event.get("by", "reason") == "reason":
        return {"reasons": letters.list_reasons()}
    if action == "list":
        limit, after = _integer(event, "limit", 100), _integer(event, "after", 0)
        return {"dead_letters": letters.list_letters(reason=_text(event, "reason"), after=after, limit=limit)}
    if action == "show":
        return letters.show(_integer(event, "dead_letter_id", None))
    if action == "redrive":
        selection = _selection(event, letters)
        if event.get("dry_run", False) is not False:
            report = letters.count(selection)
        else:
            report = letters.redrive(
                selection, limit=_integer(event, "limit", PAGE_LIMIT), request_id=request_id
            )
        return asdict(report) | {"as_of": report.as_of.isoformat(), "redriven": list(report.redriven)}
    raise ContractViolation("must be one of list, show, redrive", field="action")


def _selection(event: Mapping[str, Any], letters: DeadLetters) -> Selection:
    numbers, reason = event.get("dead_letter_ids"), _text(event, "reason")
    if numbers is not None and not (isinstance(numbers, list) and all(type(n) is int for n in numbers)):
        raise ContractViolation("must be a list of integers", field="dead_letter_ids")
    # Nothing given is a mistake, not everything.
    if (numbers is not None) + (reason is not None) + (event.get("all") is True) != 1:
        raise ContractViolation("must have exactly one of dead_letter_ids, reason, all", field="$")
    as_of = _text(event, "as_of")
    try:
        began = datetime.fromisoformat(as_of) if as_of else letters.now()
    except ValueError:
        raise ContractViolation("is not a time", field="as_of") from None
    if began.tzinfo is None:
        raise ContractViolation("has no offset", field="as_of")
    return Selection(began, None if numbers is None else tuple(numbers), reason)


def _integer(event: Mapping[str, Any], name: str, default: int | None) -> int:
    value = event.get(name, default)
    if type(value) is not int or not 0 <= value < 2**63:
        raise ContractViolation("must be an integer, 0 or more", field=name)
    return value


def _text(event: Mapping[str, Any], name: str) -> str | None:
    value = event.get(name)
    if value is not None and not isinstance(value, str):
        raise ContractViolation("must be a text", field=name)
    return value


@cache
def dead_letters() -> DeadLetters:
    """This environment's."""
    return DeadLetters(database())
