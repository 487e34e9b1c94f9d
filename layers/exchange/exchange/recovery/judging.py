"""Records of a page of the bucket, or of open findings, looked at from every side."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from exchange.platform.db import Database
from exchange.platform.listing import ListedObject, Listing
from exchange.recovery import store
from exchange.recovery.classifying import RESTORED, Facts, Finding, RawObject, Sound, classify
from exchange.recovery.describing import Described, Describer
from exchange.recovery.findings import Verdict
from exchange.recovery.model import Folder, ManifestRow, RawKey, Selection, Standing
from exchange.recovery.walking import PAGE_OBJECTS, Page

WITHOUT_RAW = frozenset({Finding.CANONICAL_WITHOUT_RAW, Finding.MANIFEST_WITHOUT_RAW})


@dataclass(frozen=True)
class Judged:
    """A record and what is wrong with it; `described` is its object where that had to be read."""

    facts: Facts
    said: Finding | Sound
    described: Described | None = None

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
        """The row there is, or the one that the object would make."""
        if self.facts.manifest is not None:
            return self.facts.manifest
        entry = self.described.entry if self.described else None
        return ManifestRow(entry, raw_deleted=False) if entry else None

    def verdict(self, *, repaired: bool) -> Verdict:
        """As it is written down."""
        raw, row = self.facts.raw, self.manifest
        partner_id = row.entry.partner_id if row else None
        hash_known = raw is None or raw.sha256 is not None
        return Verdict(self.record_id, self.said, self.object_key, partner_id, hash_known, repaired)


class Judge:
    """Looks, and changes nothing."""

    def __init__(
        self, database: Database, listing: Listing, describer: Describer, bucket: str, topics: Sequence[str]
    ) -> None:
        self._database = database
        self._listing = listing
        self._describer = describer
        self._bucket = bucket
        self._topics = topics

    def manifest_sources(self) -> list[str]:
        """The sources of which the manifest has objects."""
        with self._database.transaction() as transaction:
            return store.read_manifest_sources(transaction, self._bucket)

    def manifest_folders(self, source: str, selection: Selection) -> list[Folder]:
        """The hours of a source of which it has objects, within the selection's window."""
        with self._database.transaction() as transaction:
            return store.read_manifest_folders(transaction, self._bucket, source, selection)

    def page_end(self, folder: Folder, after: str, upto: str) -> str:
        """Where a page of (`after`, `upto`] ends that has no more manifest rows than objects."""
        with self._database.transaction() as transaction:
            return store.read_page_end(transaction, self._bucket, folder, after, upto, limit=PAGE_OBJECTS)

    def judge_page(self, page: Page, grace_seconds: float, *, check_hashes: bool = False) -> list[Judged]:
        """Every record of which the bucket or the manifest has an object in the page's range of keys."""
        listed = [(key, entry) for entry in page.objects if (key := RawKey.parse(entry.key)) is not None]
        with self._database.transaction() as transaction:
            manifest = store.read_manifest_between(
                transaction, self._bucket, page.folder, page.after, page.upto
            )
            elsewhere = [key.record_id for key, _ in listed if key.record_id not in manifest]
            manifest |= store.read_manifest(transaction, elsewhere)
        return self._judge(listed, manifest, grace_seconds, self._hashes(listed if check_hashes else ()))

    def judge_again(
        self, open_findings: Iterable[tuple[UUID, str | None, str]], grace_seconds: float
    ) -> tuple[list[Judged], list[tuple[UUID, str]]]:
        """Records of (record id, object key, finding), looked for one by one; read where the hash was wrong.

        Beside them (record id, object key) of objects that are gone and that no manifest row misses.
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
            manifest = store.read_manifest(transaction, list(record_ids))
        missed = {row.entry.object_key for row in manifest.values()}
        judged = self._judge(listed, manifest, grace_seconds, self._hashes(doubted), more=record_ids)
        return judged, [(record_id, key) for record_id, key in gone if key not in missed]

    def _judge(
        self,
        listed: Sequence[tuple[RawKey, ListedObject]],
        manifest: Mapping[UUID, ManifestRow],
        grace_seconds: float,
        hashes: Mapping[str, str],
        *,
        more: Iterable[UUID] = (),
    ) -> list[Judged]:
        now = datetime.now(UTC)
        objects: list[tuple[UUID, RawObject | None]] = [
            (key.record_id, _raw(entry, now, hashes.get(entry.key))) for key, entry in listed
        ]
        seen = {record_id for record_id, _ in objects}
        objects += [(record_id, None) for record_id in {*manifest, *more} - seen]
        with self._database.transaction() as transaction:
            standing = store.read_standing(
                transaction, list({record_id for record_id, _ in objects}), self._topics
            )
        judged = []
        for record_id, raw in objects:
            facts = _facts(record_id, raw, manifest.get(record_id), standing[record_id], now)
            said = classify(facts, grace_seconds)
            if said in WITHOUT_RAW and facts.manifest is not None:
                # Perhaps stored after the page was listed: asked for by name before it is called lost.
                facts = self._look_again(facts, now)
                said = classify(facts, grace_seconds)
            judged.append(Judged(facts, said))
        return self._describe_lost(judged)

    def _look_again(self, facts: Facts, now: datetime) -> Facts:
        assert facts.manifest is not None  # noqa: S101 - without one it would not be missed
        found = self._listing.find(facts.manifest.entry.object_key)
        raw = _raw(found, now, None) if found else None
        return _facts(facts.record_id, raw, facts.manifest, facts.standing, now)

    def _describe_lost(self, judged: list[Judged]) -> list[Judged]:
        """Those without a manifest row are read: only their object says whose they are, if it is a record's at all."""
        lost = {
            index: (key, ListedObject(raw.key, raw.size_bytes, raw.last_modified))
            for index, record in enumerate(judged)
            if record.said in RESTORED
            and (raw := record.facts.raw) is not None
            and (key := RawKey.parse(raw.key)) is not None
        }
        for index, described in zip(lost, self._describer.describe(list(lost.values())), strict=True):
            said = judged[index].said
            unfit = described is not None and described.unfit is not None
            judged[index] = Judged(judged[index].facts, Finding.UNFIT_RAW if unfit else said, described)
        return judged

    def _hashes(self, listed: Sequence[tuple[RawKey, ListedObject]]) -> dict[str, str]:
        return {
            entry.key: described.sha256
            for (_, entry), described in zip(listed, self._describer.describe(listed), strict=True)
            if described is not None and described.sha256 is not None
        }


def _raw(listed: ListedObject, now: datetime, sha256: str | None) -> RawObject:
    return RawObject(
        listed.key,
        listed.size_bytes,
        listed.last_modified,
        (now - listed.last_modified).total_seconds(),
        sha256,
    )


def _facts(
    record_id: UUID, raw: RawObject | None, manifest: ManifestRow | None, standing: Standing, now: datetime
) -> Facts:
    age = (now - manifest.entry.occurred_at).total_seconds() if manifest else 0.0
    return Facts(record_id, raw, manifest, age, standing)
