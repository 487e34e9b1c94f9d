"""An object describes its record completely: the metadata that ingest stores decode to the original entry."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import fields, replace
from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.errors import RecordRejected
from exchange.partners.model import Partner
from exchange.partners.service import PartnerRegistry
from exchange.platform.objects import Objects, StoredObject
from exchange.platform.settings import Settings
from exchange.raw.entry import (
    KINDS,
    VERSIONS,
    ManifestEntry,
    decode_metadata,
    encode_metadata,
    event_contracts_by_topic,
    topics_by_version,
    version_of_route,
)
from exchange.raw.key import Folder, RawKey, names_record, record_named_by
from exchange.raw.reader import Place, RawObject, RawReader, RawRecord, Reference

BUCKET = "exchange-raw"
SHA256_OF_BODY = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
BODY = b"{}"

names = st.text("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-", min_size=1, max_size=30)
sources = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_-]{1,62}", fullmatch=True)
# Metadata keep milliseconds, and ingest uses no finer times.
times = (
    st.integers(0, 7_000_000_000_000)
    .map(lambda ms: datetime.fromtimestamp(ms / 1000, UTC))
    .map(lambda at: at.replace(microsecond=at.microsecond // 1000 * 1000))
)


@st.composite
def entries(draw: st.DrawFn) -> ManifestEntry:
    source, record_id, occurred_at = draw(sources), draw(st.uuids()), draw(times)
    return ManifestEntry(
        record_id=record_id,
        partner_id=draw(names),
        source=source,
        route=draw(st.sampled_from([version.route for version in VERSIONS.values()])),
        record_kind=draw(st.sampled_from(sorted(KINDS))),
        schema_hint=draw(names),
        bucket=BUCKET,
        object_key=str(RawKey.of(source, occurred_at, record_id)),
        sha256=SHA256_OF_BODY,
        size_bytes=len(BODY),
        correlation_id=draw(names),
        occurred_at=occurred_at,
    )


class OneObject(Objects):
    """A bucket that holds one object."""

    def __init__(self, body: bytes, metadata: Mapping[str, str]) -> None:
        self._stored = StoredObject(body, metadata)

    def get_many(self, keys: object, *, limit_bytes: int) -> list[StoredObject]:  # type: ignore[override]
        return [self._stored]


class Everybody(PartnerRegistry):
    """A registry in which every partner is registered, and hospital-a belongs to partnerA."""

    def __init__(self) -> None:
        pass

    def is_registered(self, partner_id: str) -> bool:
        return True

    def owner_of(self, source: str) -> Partner | None:
        return Partner("partnerA", "partnerA.v1", frozenset({"partnerA.v1"}))


def describe(entry: ManifestEntry, metadata: Mapping[str, str], body: bytes = BODY) -> RawObject:
    reader = RawReader(OneObject(body, metadata), Everybody(), BUCKET)
    (described,) = reader.describe([Place(entry.record_id, entry.object_key, entry.occurred_at)])
    assert described is not None
    return described


@given(entry=entries(), key_hash=names)
def test_an_object_s_metadata_give_back_its_entry(entry: ManifestEntry, key_hash: str) -> None:
    described = describe(entry, encode_metadata(entry, key_hash))
    assert described == RawObject(entry.record_id, entry, None, SHA256_OF_BODY, key_hash)
    assert described.entry is not None
    assert encode_metadata(described.entry, key_hash) == encode_metadata(entry, key_hash)


@given(entry=entries())
def test_metadata_alone_give_back_every_field_of_the_entry(entry: ManifestEntry) -> None:
    about_the_object = {
        "record_id": entry.record_id,
        "bucket": entry.bucket,
        "object_key": entry.object_key,
        "sha256": entry.sha256,
        "size_bytes": entry.size_bytes,
    }
    decoded = decode_metadata(encode_metadata(entry, "a-key-hash"), **about_the_object)  # type: ignore[arg-type]
    assert decoded == entry
    for column in fields(ManifestEntry):
        assert getattr(decoded, column.name) == getattr(entry, column.name)


@given(entry=entries(), lost=st.data())
def test_metadata_that_are_not_complete_count_as_none(entry: ManifestEntry, lost: st.DataObject) -> None:
    """An object with only some of our metadata is described by its body, like those of the first system."""
    metadata = encode_metadata(entry, "a-key-hash")
    name = lost.draw(st.sampled_from(sorted(set(metadata) - {"event-version", "key-hash"})))
    body = b'{"source": "%s", "record_type": "claim"}' % entry.source.encode()
    described = describe(entry, {k: v for k, v in metadata.items() if k != name}, body)
    assert described.entry is not None
    assert (described.entry.partner_id, described.entry.record_kind) == ("partnerA", "claim")
    assert described.entry.correlation_id == str(entry.record_id)


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("sha256", "0" * 64, "raw_object.sha256: is not the object's hash"),
        ("record-id", str(UUID(int=1)), "raw_object.key: is not the record's key"),
        ("source", "somebody", "raw_object.key: is not the record's key"),
        ("route", "/v9/ingest", "raw_object: its metadata are not ours"),
        ("record-kind", "horoscope", "raw_object: its metadata are not ours"),
        ("occurred-at", "yesterday", "raw_object: its metadata are not ours"),
        ("occurred-at", "2026-11-24T12:00:00", "raw_object: its metadata are not ours"),
    ],
)
@given(entry=entries())
def test_metadata_that_contradict_the_object_are_refused(
    entry: ManifestEntry, name: str, value: str, reason: str
) -> None:
    described = describe(entry, {**encode_metadata(entry, "a-key-hash"), name: value})
    assert described.entry is None
    assert isinstance(described.unfit, RecordRejected)
    assert str(described.unfit) == reason


@pytest.mark.parametrize("route", [None, "", "/v9/ingest", "/V2/INGEST"])
def test_an_absent_or_unknown_route_counts_as_version_1(route: str | None) -> None:
    assert version_of_route(route) is VERSIONS["1"]


@given(entry=entries(), route=names)
def test_an_entry_of_an_unknown_route_emits_version_1(entry: ManifestEntry, route: str) -> None:
    assert replace(entry, route=route).version == "1"


def test_every_version_has_a_route_a_topic_and_contracts_of_its_own() -> None:
    topics = topics_by_version(Settings())
    assert topics == {"1": "record.ingested.v1", "2": "record.ingested.v2"}
    assert event_contracts_by_topic(topics) == {topic: f"events/{topic}" for topic in topics.values()}
    assert {version_of_route(version.route) for version in VERSIONS.values()} == set(VERSIONS.values())


@given(source=sources, at=times, record_id=st.uuids())
def test_a_key_is_read_back_as_it_was_built(source: str, at: datetime, record_id: UUID) -> None:
    key = RawKey.of(source, at, record_id)
    assert RawKey.parse(str(key)) == key
    assert Folder.of(key.folder.prefix) == key.folder
    assert key.folder.began_at == at.replace(minute=0, second=0, microsecond=0)
    assert names_record(str(key), record_id)
    assert record_named_by(str(key)) == record_id


def test_a_key_of_the_first_system_has_no_hour() -> None:
    record_id = UUID("0f6f5a0c-3a6b-4b44-9a58-0d3a44a8a5be")
    key = RawKey(Folder("hospital-a", ""), record_id)
    assert RawKey.parse(str(key)) == key
    assert str(key) == f"hospital-a/{record_id}.json"
    assert key.folder.began_at is None


def test_an_event_may_write_the_id_in_capitals_and_retention_finds_a_record_in_any_folder() -> None:
    record_id = UUID("0f6f5a0c-3a6b-4b44-9a58-0d3a44a8a5be")
    assert names_record(f"hospital-a/{str(record_id).upper()}.JSON", record_id)
    assert record_named_by(f"hospital-a/some/where/{record_id}.json") == record_id
    assert record_named_by("hospital-a/notes.txt") is None


@pytest.mark.parametrize("empty", [None, ""])
def test_an_empty_name_in_an_object_of_the_first_system_counts_as_none(empty: str | None) -> None:
    record_id = UUID("0f6f5a0c-3a6b-4b44-9a58-0d3a44a8a5be")
    body = {"source": "hospital-a", "record_kind": empty, "record_type": "claim", "schema_hint": empty}
    data = json.dumps(body).encode()
    reader = RawReader(OneObject(data, {}), Everybody(), BUCKET)
    sha256 = hashlib.sha256(data).hexdigest()
    reference = Reference(record_id, "hospital-a", BUCKET, f"hospital-a/{record_id}.json", sha256, len(data))
    (record,) = reader.read([reference])
    assert isinstance(record, RawRecord)
    assert (record.record_kind, record.schema_hint) == ("claim", "partnerA.v1")
