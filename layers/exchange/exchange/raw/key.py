"""The key of a raw object: `<source>/<YYYY-MM-DDTHH>/<record_id>.json`.

The hour is that of acceptance, in UTC. The first system wrote `<source>/<record_id>.json`; such keys are still read.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Self
from uuid import UUID

_UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_KEY = re.compile(
    rf"(?P<source>[A-Za-z0-9][A-Za-z0-9_-]{{1,62}})/(?:(?P<hour>\d{{4}}-\d\d-\d\dT\d\d)/)?(?P<record_id>{_UUID})\.json"
)
_HOUR = re.compile(r"\d{4}-\d\d-\d\dT\d\d")


@dataclass(frozen=True, order=True)
class Folder:
    """The folder of a source and an hour (`2026-11-24T12`); an empty hour means the first system's layout.

    Folders sort in the order of a scan: by source, and in each the first system's objects before the hours.
    """

    source: str
    hour: str

    @property
    def prefix(self) -> str:
        return f"{self.source}/{self.hour}/" if self.hour else f"{self.source}/"

    @property
    def began_at(self) -> datetime | None:
        """The beginning of the hour; None in the first system's layout and for an hour that does not exist."""
        try:
            return datetime.strptime(self.hour, "%Y-%m-%dT%H").replace(tzinfo=UTC)
        except ValueError:
            return None

    @classmethod
    def of(cls, prefix: str) -> Self | None:
        """Parse a listed prefix `<source>/<hour>/`; return None for any other prefix."""
        source, _, hour = prefix.rstrip("/").partition("/")
        return cls(source, hour) if _HOUR.fullmatch(hour) else None

    @classmethod
    def containing(cls, key: str) -> Self:
        """Return the folder that a key, or a prefix that ends in a slash, lies in. The hour may be any text."""
        hour, slash, _ = key.removeprefix(f"{source_of(key)}/").partition("/")
        return cls(source_of(key), hour if slash else "")


@dataclass(frozen=True)
class RawKey:
    """The key of a record's raw object."""

    folder: Folder
    record_id: UUID

    def __str__(self) -> str:
        return f"{self.folder.prefix}{self.record_id}.json"

    @classmethod
    def of(cls, source: str, accepted_at: datetime, record_id: UUID) -> Self:
        """Build the key of a record that was accepted at a given time."""
        return cls(Folder(source, hour_of(accepted_at)), record_id)

    @classmethod
    def parse(cls, key: str) -> Self | None:
        """Parse an object key; return None for a key that the exchange never writes."""
        match = _KEY.fullmatch(key)
        if match is None:
            return None
        return cls(Folder(match["source"], match["hour"] or ""), UUID(match["record_id"]))


def hour_of(at: datetime) -> str:
    """Return the folder name of a time's hour."""
    return f"{at.astimezone(UTC):%Y-%m-%dT%H}"


def source_of(key: str) -> str:
    """Return the source that a key lies under."""
    return key.partition("/")[0]


def names_record(key: str, record_id: UUID) -> bool:
    """Tell whether a key's file name is the record's; case is ignored, since the first system's events varied in it."""
    return key.rpartition("/")[2].lower() == f"{record_id}.json"


def record_named_by(key: str) -> UUID | None:
    """Return the record id in a key's file name, in any folder, or None.

    This is more lenient than `RawKey.parse` on purpose: retention must not delete an object that may be a record's.
    """
    try:
        return UUID(key.rpartition("/")[2].removesuffix(".json"))
    except ValueError:
        return None
