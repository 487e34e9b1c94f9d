"""The rebuilding of events that dead letters no longer hold, as a replay would make them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

from exchange.dead_letters.model import Unsendable, WaitingLetter
from exchange.partners.service import PartnerRegistry
from exchange.platform.db import Database
from exchange.raw import manifest
from exchange.raw.entry import ManifestEntry, encode_event
from exchange.raw.key import RawKey
from exchange.raw.reader import Place, RawObject, RawReader

SEARCHED_HOURS = 25


class EventRebuilder:
    """Rebuilds events from the manifest row, proven by the object, or from the object's metadata alone."""

    def __init__(self, database: Database, reader: RawReader, topics: Mapping[str, str]) -> None:
        """Create a rebuilder; `topics` are by event version."""
        self._database = database
        self._reader = reader
        self._partners = PartnerRegistry(database)
        self._version_of = {topic: version for version, topic in topics.items()}

    def rebuild(
        self, lost: Sequence[tuple[WaitingLetter, UUID]]
    ) -> Iterator[tuple[WaitingLetter, bytes | Unsendable]]:
        """Yield for each (letter, record id) its event, or why it has none. Raises DependencyUnavailable."""
        for letter, found in self._find_entries(lost):
            if isinstance(found, Unsendable):
                yield letter, found
            else:
                yield letter, encode_event(found, self._version_of.get(letter.topic, found.version))

    def _find_entries(
        self, lost: Sequence[tuple[WaitingLetter, UUID]]
    ) -> Iterator[tuple[WaitingLetter, ManifestEntry | Unsendable]]:
        if not lost:
            return
        with self._database.transaction() as transaction:
            rows = manifest.read_manifest(transaction, [record_id for _, record_id in lost])
        known = [(letter, rows[record_id].entry) for letter, record_id in lost if record_id in rows]
        described = self._reader.describe(
            [Place(entry.record_id, entry.object_key, entry.occurred_at) for _, entry in known]
        )
        for (letter, entry), raw_object in zip(known, described, strict=True):
            yield letter, _prove(entry, raw_object)
        for letter, record_id in lost:
            if record_id not in rows:
                yield letter, self._search(record_id, letter.failed_at)

    def _search(self, record_id: UUID, failed_at: datetime) -> ManifestEntry | Unsendable:
        """Search the hours before the failure for the record's object: most records fail minutes after acceptance."""
        hours = [failed_at.astimezone(UTC) - timedelta(hours=n) for n in range(SEARCHED_HOURS)]
        places = [
            Place(record_id, str(RawKey.of(source, hour, record_id)), failed_at)
            for source in self._partners.sources()
            for hour in hours
        ]
        found = [raw_object for raw_object in self._reader.describe(places) if raw_object]
        # Without a manifest row, the earlier of two objects of a record counts, as in a replay.
        entries = [raw_object.entry for raw_object in found if raw_object.entry is not None]
        if entries:
            return min(entries, key=lambda entry: entry.occurred_at)
        return Unsendable.RAW_OBJECT_CHANGED if found else Unsendable.RECORD_UNKNOWN


def _prove(entry: ManifestEntry, raw_object: RawObject | None) -> ManifestEntry | Unsendable:
    if raw_object is None:
        return Unsendable.RAW_OBJECT_MISSING
    return entry if raw_object.sha256 == entry.sha256 else Unsendable.RAW_OBJECT_CHANGED
