"""From events to canonical entries: fetch side by side, prove, map, tokenize in one call. No database."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from exchange.errors import ExchangeError, RecordFailed, RecordRejected
from exchange.intake.model import BODY_LIMIT_BYTES
from exchange.partners.service import PartnerRegistry
from exchange.platform.log import describe_exception, logger
from exchange.platform.objects import ObjectOverLimit, Objects, StoredObject
from exchange.records.deliveries import RecordIngested
from exchange.records.mapping import map_record
from exchange.records.model import CanonicalRecord, MappedRecord
from exchange.records.raw import RawRecord, find_refusal, read_raw_record
from exchange.records.store import CanonicalEntry
from exchange.records.tokenizing import TokenizedRecord, Tokenizer, tokenize_records


@dataclass(frozen=True)
class _Understood:
    """A record that has been fetched and mapped and waits for its tokens."""

    raw: RawRecord = field(repr=False)
    mapped: MappedRecord = field(repr=False)


class Canonicalizer:
    """Turns events into canonical entries; a record that fails leaves its failure in its place."""

    def __init__(
        self, objects: Objects, tokenizer: Tokenizer, partners: PartnerRegistry, bucket: str
    ) -> None:
        self._objects = objects
        self._tokenizer = tokenizer
        self._partners = partners
        self._bucket = bucket

    def canonicalize(self, batch: Sequence[RecordIngested]) -> list[CanonicalEntry | RecordFailed]:
        """One outcome for each of `batch`, in order. Raises DependencyUnavailable."""
        understood = self._understand(batch)
        mapped = [(u.raw.partner_id, u.mapped) for u in understood if isinstance(u, _Understood)]
        tokenized = iter(tokenize_records(self._tokenizer, mapped)) if mapped else iter(())
        return [
            _enter(ingested, u.raw, u.mapped, next(tokenized)) if isinstance(u, _Understood) else u
            for ingested, u in zip(batch, understood, strict=True)
        ]

    def _understand(self, batch: Sequence[RecordIngested]) -> list[_Understood | RecordFailed]:
        refusals = {
            ingested.record_id: refusal
            for ingested in batch
            if (refusal := find_refusal(ingested, self._bucket)) is not None
        }
        fetchable = [ingested for ingested in batch if ingested.record_id not in refusals]
        stored = iter(
            self._objects.get_many(
                [ingested.object_key for ingested in fetchable], limit_bytes=BODY_LIMIT_BYTES
            )
        )
        return [refusals.get(ingested.record_id) or self._map(ingested, next(stored)) for ingested in batch]

    def _map(
        self, ingested: RecordIngested, stored: StoredObject | ObjectOverLimit | None
    ) -> _Understood | RecordFailed:
        try:
            raw = read_raw_record(ingested, stored, self._partners)
            mapped = map_record(raw.body, record_kind=raw.record_kind, schema_hint=raw.schema_hint)
        except RecordFailed as failed:
            return failed
        except ExchangeError:
            raise
        except Exception as fault:  # noqa: BLE001 - a fault of ours over one record would hold up its partition for ever
            logger("normalize").error(
                "record failed", extra=describe_exception(fault, record_id=str(ingested.record_id))
            )
            return RecordRejected(f"mapping it failed with {type(fault).__name__}", stage="normalize")
        return _Understood(raw, mapped)


def _enter(
    ingested: RecordIngested,
    raw: RawRecord,
    mapped: MappedRecord,
    tokenized: TokenizedRecord | RecordRejected,
) -> CanonicalEntry | RecordFailed:
    if isinstance(tokenized, RecordRejected):
        return tokenized
    record = CanonicalRecord(
        record_id=ingested.record_id,
        partner_id=raw.partner_id,
        source=raw.source,
        record_kind=raw.record_kind,
        schema_hint=raw.schema_hint,
        birth_year=mapped.birth_year,
    )
    return CanonicalEntry(record, tokenized.tokens, tokenized.row)
