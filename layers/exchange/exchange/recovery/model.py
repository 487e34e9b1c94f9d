"""The selection of a job, its shards, and the states and counts of its records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Self
from uuid import UUID

from exchange.errors import ContractViolation
from exchange.raw.key import Folder, hour_of

_HEX = "0123456789abcdef"
# Sorts after every key of a folder.
_END = "~"


@dataclass(frozen=True)
class Selection:
    """Raw objects of one source or all, under a prefix, accepted from `since` (inclusive) to `until` (exclusive)."""

    source: str | None = None
    prefix: str = ""
    since: datetime | None = None
    until: datetime | None = None

    @classmethod
    def of(cls, request: Mapping[str, Any]) -> Self:
        """Read the selection of a request; raise ContractViolation for a window that ends before it begins."""
        since, until = (_time(request.get(name)) for name in ("since", "until"))
        if since is not None and until is not None and until <= since:
            raise ContractViolation("is not after since", field="until")
        return cls(request.get("source"), request.get("prefix", ""), since, until)

    @property
    def since_hour(self) -> str:
        return hour_of(self.since) if self.since else ""

    @property
    def until_hour(self) -> str:
        return hour_of(self.until) if self.until else "9999"

    def has_source(self, source: str) -> bool:
        if self.source not in (None, source):
            return False
        return f"{source}/".startswith(self.prefix) or self.prefix.startswith(f"{source}/")

    def has_folder(self, folder: Folder) -> bool:
        """Tell whether the folder may hold objects of the selection."""
        if not (folder.prefix.startswith(self.prefix) or self.prefix.startswith(folder.prefix)):
            return False
        return not folder.hour or self.since_hour <= folder.hour <= self.until_hour

    def has_key(self, key: str) -> bool:
        return key.startswith(self.prefix)

    def has_time(self, occurred_at: datetime) -> bool:
        return not (
            (self.since is not None and occurred_at < self.since)
            or (self.until is not None and occurred_at >= self.until)
        )


@dataclass(frozen=True)
class Shard:
    """One of `count` equal parts of the records, by the first hex digit of their ids. `count` divides 16."""

    number: int
    count: int

    @property
    def after(self) -> str:
        """The string that every file name of the shard sorts after."""
        return "" if self.number == 0 else _HEX[self.number * 16 // self.count]

    @property
    def upto(self) -> str:
        """The string that every file name of the shard sorts before."""
        end = (self.number + 1) * 16 // self.count
        return _END if end == 16 else _HEX[end]

    def part_done(self, record_id: UUID) -> float:
        """Return the part of the shard that lies before this record in a folder; ids are spread evenly."""
        return (record_id.int / 2**128 * self.count) % 1.0


@dataclass(frozen=True)
class RecordState:
    """The state of a record by the tables. Ages are in seconds, None without a state, a tombstone or an event.

    The event is the record's last one; it is read only for records without a canonical row.
    """

    canonical: bool = False
    state: str | None = None
    state_age: float | None = None
    erased_age: float | None = None
    has_event: bool = False
    is_published: bool = False
    event_age: float | None = None

    @property
    def outcome(self) -> str:
        """The name of the replay's count that this record belongs to."""
        if self.erased_age is not None:
            return "erased"
        if self.canonical:
            return "canonical"
        return "dead_lettered" if self.state == "dlq" else "missing"


@dataclass
class Counts:
    """The counts of a job by name; each page adds to them."""

    values: dict[str, int]

    def add(self, name: str, number: int = 1) -> None:
        if number:
            self.values[name] = self.values.get(name, 0) + number

    def at_most(self, name: str, number: int) -> None:
        """Set a count to `number` unless it is lower already."""
        self.values[name] = min(number, self.values.get(name, number))


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text).astimezone(UTC)
