"""The comparison of bucket and tables for the records of a page or of open findings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from uuid import UUID

from exchange.platform.db import Database
from exchange.platform.listing import ListedObject, Listing
from exchange.raw import manifest
from exchange.raw.entry import ManifestRow
from exchange.raw.key import Folder, RawKey
from exchange.raw.reader import Place, RawObject, RawReader
from exchange.recovery import store
from exchange.recovery.findings import Verdict
from exchange.recovery.model import RecordState, Selection
from exchange.recovery.rules import RESTORED, BucketObject, Facts, Finding, Sound, classify
from exchange.recovery.scan import PAGE_OBJECTS, Page

WITHOUT_RAW = frozenset({Finding.CANONICAL_WITHOUT_RAW, Finding.MANIFEST_WITHOUT_RAW})


@dataclass(frozen=True)
class Comparison:
    """The facts about a record and the verdict on it; `described` is its object where that had to be read."""

    facts: Facts
    verdict: Finding | Sound
    described: RawObject | None = None

    @property
    def record_id(self) -> UUID:
        return self.facts.record_id

    @property
    def object_key(self) -> str | None:
        if self.facts.raw is not None:
            return self.facts.raw.key
        return self.facts.manifest.entry.object_key if self.facts.manifest else None

    @property
    def manifest(self) -> ManifestRow | None:
        """The manifest row or, if the manifest has none, the one that the object describes."""
        if self.facts.manifest is not None:
            return self.facts.manifest
        entry = self.described.entry if self.described else None
        return ManifestRow(entry, raw_deleted=False) if entry else None

    def to_verdict(self, *, repaired: bool) -> Verdict:
        """Return the verdict in the form that findings store."""
        raw, row = self.facts.raw, self.manifest
        partner_id = row.entry.partner_id if row else None
        hash_known = raw is None or raw.sha256 is not None
        return Verdict(self.record_id, self.verdict, self.object_key, partner_id, hash_known, repaired)


class Comparer:
    """Compares bucket and tables; changes nothing."""

    def __init__(
        self, database: Database, listing: Listing, reader: RawReader, bucket: str, topics: Sequence[str]
    ) -> None:
        self._database = database
        self._listing = listing
        self._reader = reader
        self._bucket = bucket
        self._topics = topics

    def manifest_sources(self) -> list[str]:
        """Return the sources that have manifest rows."""
        with self._database.transaction() as transaction:
            return manifest.read_sources(transaction, self._bucket)

    def manifest_folders(self, source: str, selection: Selection) -> list[Folder]:
        """Return the hours of a source, within the selection's window, that have manifest rows."""
        with self._database.transaction() as transaction:
            return manifest.read_folders(
                transaction, self._bucket, source, selection.since_hour, selection.until_hour
            )

    def page_end(self, folder: Folder, after: str, upto: str) -> str:
        """Return the key that ends a page of at most PAGE_OBJECTS manifest rows in (`after`, `upto`]."""
        with self._database.transaction() as transaction:
            return manifest.read_page_end(transaction, self._bucket, folder, after, upto, limit=PAGE_OBJECTS)

    def compare_page(
        self, page: Page, grace_seconds: float, *, check_hashes: bool = False
    ) -> list[Comparison]:
        """Compare every record with an object, in the bucket or the manifest, in the page's range of keys."""
        listed = [(key, entry) for entry in page.objects if (key := RawKey.parse(entry.key)) is not None]
        with self._database.transaction() as transaction:
            rows = manifest.read_manifest_between(
                transaction, self._bucket, page.folder, page.after, page.upto
            )
            elsewhere = [key.record_id for key, _ in listed if key.record_id not in rows]
            rows |= manifest.read_manifest(transaction, elsewhere)
        return self._compare(listed, rows, grace_seconds, self._hashes(listed if check_hashes else ()))

    def compare_again(
        self, open_findings: Iterable[tuple[UUID, str | None, str]], grace_seconds: float
    ) -> tuple[list[Comparison], list[tuple[UUID, str]]]:
        """Compare the records of (record id, object key, finding) again; read the objects whose hashes were wrong.

        Return the comparisons, and the (record id, object key) of objects that are gone and that no manifest row names.
        """
        listed: list[tuple[RawKey, ListedObject]] = []
        doubted: list[tuple[RawKey, ListedObject]] = []
        gone: list[tuple[UUID, str]] = []
        record_ids = set()
        for record_id, object_key, finding in open_findings:
            record_ids.add(record_id)
            key = RawKey.parse(object_key) if object_key else None
            found = self._listing.find(object_key) if object_key else None
            if key is not None and found is not None:
                listed.append((key, found))
                doubted += [(key, found)] if finding == Finding.HASH_MISMATCH else []
            elif object_key is not None:
                gone.append((record_id, object_key))
        with self._database.transaction() as transaction:
            rows = manifest.read_manifest(transaction, list(record_ids))
        missed = {row.entry.object_key for row in rows.values()}
        compared = self._compare(listed, rows, grace_seconds, self._hashes(doubted), more=record_ids)
        return compared, [(record_id, key) for record_id, key in gone if key not in missed]

    def _compare(
        self,
        listed: Sequence[tuple[RawKey, ListedObject]],
        rows: Mapping[UUID, ManifestRow],
        grace_seconds: float,
        hashes: Mapping[str, str],
        *,
        more: Iterable[UUID] = (),
    ) -> list[Comparison]:
        now = datetime.now(UTC)
        objects: list[tuple[UUID, BucketObject | None]] = [
            (key.record_id, _raw(entry, now, hashes.get(entry.key))) for key, entry in listed
        ]
        seen = {record_id for record_id, _ in objects}
        objects += [(record_id, None) for record_id in {*rows, *more} - seen]
        with self._database.transaction() as transaction:
            states = store.read_record_states(
                transaction, list({record_id for record_id, _ in objects}), self._topics
            )
        compared = []
        for record_id, raw in objects:
            facts = _facts(record_id, raw, rows.get(record_id), states[record_id], now)
            verdict = classify(facts, grace_seconds)
            if verdict in WITHOUT_RAW and facts.manifest is not None:
                # Perhaps it was stored after the page was listed: look it up by key before calling it lost.
                found = self._listing.find(facts.manifest.entry.object_key)
                facts = replace(facts, raw=_raw(found, now, None) if found else None)
                verdict = classify(facts, grace_seconds)
            compared.append(Comparison(facts, verdict))
        return self._describe_lost(compared)

    def _describe_lost(self, compared: list[Comparison]) -> list[Comparison]:
        """Read the objects of records without a manifest row: only an object tells whose it is, or that it is unfit."""
        lost = {
            index: Place(record.record_id, raw.key, raw.last_modified)
            for index, record in enumerate(compared)
            if record.verdict in RESTORED and (raw := record.facts.raw) is not None
        }
        for index, described in zip(lost, self._reader.describe(list(lost.values())), strict=True):
            unfit = described is not None and described.unfit is not None
            compared[index] = replace(
                compared[index],
                verdict=Finding.UNFIT_RAW if unfit else compared[index].verdict,
                described=described,
            )
        return compared

    def _hashes(self, listed: Sequence[tuple[RawKey, ListedObject]]) -> dict[str, str]:
        places = [Place(key.record_id, entry.key, entry.last_modified) for key, entry in listed]
        return {
            place.object_key: described.sha256
            for place, described in zip(places, self._reader.describe(places), strict=True)
            if described is not None and described.sha256 is not None
        }


def _raw(listed: ListedObject, now: datetime, sha256: str | None) -> BucketObject:
    return BucketObject(
        listed.key,
        listed.size_bytes,
        listed.last_modified,
        (now - listed.last_modified).total_seconds(),
        sha256,
    )


def _facts(
    record_id: UUID, raw: BucketObject | None, row: ManifestRow | None, state: RecordState, now: datetime
) -> Facts:
    age = (now - row.entry.occurred_at).total_seconds() if row else 0.0
    return Facts(record_id, raw, row, age, state)
