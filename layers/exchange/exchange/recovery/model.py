"""Which raw objects a job is about, and how they are shared out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Self
from uuid import UUID

from exchange.errors import ContractViolation
from exchange.intake.model import ManifestEntry

_UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_KEY = re.compile(
    rf"(?P<source>[A-Za-z0-9][A-Za-z0-9_-]{{1,62}})/(?:(?P<hour>\d{{4}}-\d\d-\d\dT\d\d)/)?(?P<record_id>{_UUID})\.json"
)
_HOUR = re.compile(r"\d{4}-\d\d-\d\dT\d\d")
_HEX = "0123456789abcdef"
# Sorts after every key of a folder.
_END = "~"


@dataclass(frozen=True, order=True)
class Folder:
    """Objects of one source and hour (`2026-11-24T12`), or with no hour those of the old layout.

    Old ones come first, then hours as they passed: the order in which a job goes.
    """

    source: str
    hour: str

    @property
    def prefix(self) -> str:
        return f"{self.source}/{self.hour}/" if self.hour else f"{self.source}/"

    @classmethod
    def of(cls, prefix: str) -> Self | None:
        """The folder of a listed prefix `<source>/<hour>/`, None for any other."""
        source, _, hour = prefix.rstrip("/").partition("/")
        return cls(source, hour) if _HOUR.fullmatch(hour) else None


@dataclass(frozen=True)
class RawKey:
    """An object key that is a record's."""

    folder: Folder
    record_id: UUID

    @classmethod
    def parse(cls, key: str) -> Self | None:
        """None for a key that no record ever had."""
        match = _KEY.fullmatch(key)
        if match is None:
            return None
        return cls(Folder(match["source"], match["hour"] or ""), UUID(match["record_id"]))


@dataclass(frozen=True)
class Selection:
    """Which objects: of one source or all, under a prefix, accepted from `since` (included) to `until` (not)."""

    source: str | None = None
    prefix: str = ""
    since: datetime | None = None
    until: datetime | None = None

    @classmethod
    def of(cls, request: Mapping[str, Any]) -> Self:
        """Raises ContractViolation for a window that ends before it begins."""
        since, until = (_time(request.get(name)) for name in ("since", "until"))
        if since is not None and until is not None and until <= since:
            raise ContractViolation("is not after since", field="until")
        return cls(request.get("source"), request.get("prefix", ""), since, until)

    @property
    def since_hour(self) -> str:
        return _hour(self.since) if self.since else ""

    @property
    def until_hour(self) -> str:
        return _hour(self.until) if self.until else "9999"

    def has_source(self, source: str) -> bool:
        if self.source not in (None, source):
            return False
        return f"{source}/".startswith(self.prefix) or self.prefix.startswith(f"{source}/")

    def has_folder(self, folder: Folder) -> bool:
        """Whether it may hold objects of the selection."""
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
    """One of `count` equal parts of the records, a divisor of 16: those whose ids begin with its digits."""

    number: int
    count: int

    @property
    def after(self) -> str:
        """What every file name of the shard sorts after."""
        return "" if self.number == 0 else _HEX[self.number * 16 // self.count]

    @property
    def upto(self) -> str:
        """What every file name of the shard sorts before."""
        end = (self.number + 1) * 16 // self.count
        return _END if end == 16 else _HEX[end]

    def part_done(self, record_id: UUID) -> float:
        """How much of a folder lies up to this record: ids are spread evenly."""
        return (record_id.int / 2**128 * self.count) % 1.0


@dataclass(frozen=True)
class ManifestRow:
    """A manifest row; `raw_deleted` when retention has taken its object."""

    entry: ManifestEntry
    raw_deleted: bool


@dataclass(frozen=True)
class Standing:
    """What the tables say of a record. Ages in seconds, None where there is nothing to be old.

    The event, the last one of the record, is looked for only while there is no canonical row.
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
        """How a replay counts the record."""
        if self.erased_age is not None:
            return "erased"
        if self.canonical:
            return "canonical"
        return "dead_lettered" if self.state == "dlq" else "missing"


@dataclass
class Counts:
    """Numbers of a job, by name; those of a page are added to those before."""

    values: dict[str, int]

    def add(self, name: str, number: int = 1) -> None:
        if number:
            self.values[name] = self.values.get(name, 0) + number

    def at_most(self, name: str, number: int) -> None:
        """Keep the lowest."""
        self.values[name] = min(number, self.values.get(name, number))


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text).astimezone(UTC)


def _hour(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%dT%H}"
