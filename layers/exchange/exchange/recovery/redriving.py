"""Redrive: dead letters' events once more, the stored bytes, or where those are gone the ones that replay would make.

ADR 0011. What cannot be sent is refused by letter, with a reason, and so not asked for again in the same run.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from uuid import UUID

from exchange.intake.model import ManifestEntry, encode_event
from exchange.ledger.dead_letters import DeadLetters, RedriveReport
from exchange.ledger.model import Refusal, RefusedLetter, Selection, WaitingLetter
from exchange.partners.service import PartnerRegistry
from exchange.platform.db import Database, database
from exchange.platform.listing import ListedObject
from exchange.platform.objects import raw_objects
from exchange.platform.settings import load_settings
from exchange.recovery import store
from exchange.recovery.describing import Described, Describer
from exchange.recovery.model import Folder, RawKey

# Letters without bytes a page: each costs a GET, or, without a manifest row, one a source and hour of a day.
REBUILT_PER_PAGE = 100
SEARCHED_HOURS = 25


@dataclass(frozen=True)
class _Prepared:
    """A page of letters, seen through before anything is locked."""

    letters: list[WaitingLetter]
    rebuilt: dict[int, bytes] = field(default_factory=dict)
    refusals: dict[int, Refusal] = field(default_factory=dict)


class Redriver:
    """The redriver of one environment."""

    def __init__(self, database: Database, describer: Describer, topics: Mapping[str, str]) -> None:
        """`topics` by event version."""
        self.letters = DeadLetters(database)
        self._database = database
        self._describer = describer
        self._partners = PartnerRegistry(database)
        self._version_of = {topic: version for version, topic in topics.items()}

    def preview(self, selection: Selection, *, limit: int) -> RedriveReport:
        """What `redrive` would find, and whom of the first `limit` it would refuse; nothing is done."""
        prepared = self._prepare(selection, limit)
        record_ids = {letter.dead_letter_id: letter.record_id for letter in prepared.letters}
        refused = [RefusedLetter(n, record_ids[n], refusal) for n, refusal in prepared.refusals.items()]
        return RedriveReport(selection.as_of, (), tuple(refused), self.letters.count_waiting(selection))

    def redrive(
        self, selection: Selection, *, limit: int, request_id: str, case_ref: str | None = None
    ) -> RedriveReport:
        """Send up to `limit` letters of the selection again, or refuse them. Raises DependencyUnavailable."""
        prepared = self._prepare(selection, limit)
        return self.letters.redrive(
            selection,
            prepared.letters,
            prepared.rebuilt,
            prepared.refusals,
            request_id=request_id,
            case_ref=case_ref,
        )

    def _prepare(self, selection: Selection, limit: int) -> _Prepared:
        page = _Prepared([])
        lost: list[tuple[WaitingLetter, UUID]] = []
        for letter in self.letters.read_waiting(selection, limit):
            if len(lost) == REBUILT_PER_PAGE:
                break
            page.letters.append(letter)
            if letter.record_id is None:
                page.refusals[letter.dead_letter_id] = Refusal.EVENT_UNREADABLE
            elif not letter.is_dead:
                page.refusals[letter.dead_letter_id] = Refusal.RECORD_NOT_DEAD
            elif not letter.has_event:
                lost.append((letter, letter.record_id))
        for letter, found in self._rebuild(lost):
            if isinstance(found, Refusal):
                page.refusals[letter.dead_letter_id] = found
            else:
                version = self._version_of.get(letter.topic, found.version)
                page.rebuilt[letter.dead_letter_id] = encode_event(found, version)
        return page

    def _rebuild(
        self, lost: Sequence[tuple[WaitingLetter, UUID]]
    ) -> Iterator[tuple[WaitingLetter, ManifestEntry | Refusal]]:
        """What each event is made of: the manifest's row, proven by its object, or the object's metadata alone."""
        if not lost:
            return
        with self._database.transaction() as transaction:
            manifest = store.read_manifest(transaction, [record_id for _, record_id in lost])
        known = [(letter, manifest[record_id].entry) for letter, record_id in lost if record_id in manifest]
        described = self._describer.describe([_listed(entry) for _, entry in known])
        for (letter, entry), found in zip(known, described, strict=True):
            yield letter, _prove(entry, found)
        for letter, record_id in lost:
            if record_id not in manifest:
                yield letter, self._search(record_id, letter.failed_at)

    def _search(self, record_id: UUID, failed_at: datetime) -> ManifestEntry | Refusal:
        """The record's object under the hours before its death: nearly all die within minutes of their acceptance."""
        hours = [
            f"{failed_at.astimezone(UTC) - timedelta(hours=n):%Y-%m-%dT%H}" for n in range(SEARCHED_HOURS)
        ]
        folders = [Folder(source, hour) for source in self._partners.sources() for hour in hours]
        places = [
            (RawKey(f, record_id), ListedObject(f"{f.prefix}{record_id}.json", 0, failed_at)) for f in folders
        ]
        found = [described for described in self._describer.describe(places) if described]
        # Two objects of one record: without a manifest row the earlier one stands for it, as in a replay.
        entries = [described.entry for described in found if described.entry is not None]
        if entries:
            return min(entries, key=lambda entry: entry.occurred_at)
        return Refusal.RAW_OBJECT_CHANGED if found else Refusal.RECORD_UNKNOWN


def _listed(entry: ManifestEntry) -> tuple[RawKey, ListedObject]:
    key = RawKey(Folder(entry.source, ""), entry.record_id)
    return key, ListedObject(entry.object_key, entry.size_bytes, entry.occurred_at)


def _prove(entry: ManifestEntry, described: Described | None) -> ManifestEntry | Refusal:
    if described is None:
        return Refusal.RAW_OBJECT_MISSING
    return entry if described.sha256 == entry.sha256 else Refusal.RAW_OBJECT_CHANGED


@cache
def redriver() -> Redriver:
    """This environment's redriver."""
    settings = load_settings()
    describer = Describer(raw_objects(), PartnerRegistry(database()), settings.require("raw_bucket"))
    topics = {"1": settings.topic_record_ingested_v1, "2": settings.topic_record_ingested_v2}
    return Redriver(database(), describer, topics)
