"""From events to canonical entries: read the objects, map them, tokenize in one call. Uses no database."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from exchange.errors import ExchangeError, RecordFailed, RecordRejected
from exchange.platform.functions import Function
from exchange.platform.log import describe_exception, logger
from exchange.raw.reader import RawReader, RawRecord
from exchange.records.deliveries import RecordIngested
from exchange.records.formats import map_record
from exchange.records.model import CanonicalRecord, MappedRecord
from exchange.records.store import CanonicalEntry
from exchange.records.tokenizer import TokenizedRecord, tokenize_records


@dataclass(frozen=True)
class _Understood:
    """A record that has been fetched and mapped and waits for its tokens."""

    raw: RawRecord = field(repr=False)
    mapped: MappedRecord = field(repr=False)


class Canonicalizer:
    """Turns events into canonical entries; a failed record has its failure as its outcome."""

    def __init__(self, reader: RawReader, tokenizer: Function) -> None:
        self._reader = reader
        self._tokenizer = tokenizer

    def canonicalize(self, batch: Sequence[RecordIngested]) -> list[CanonicalEntry | RecordFailed]:
        """Return one outcome for each of `batch`, in order. Raises DependencyUnavailable."""
        raw = self._reader.read([ingested.reference for ingested in batch])
        understood = [_understand(ingested, one) for ingested, one in zip(batch, raw, strict=True)]
        mapped = [(u.raw.partner_id, u.mapped) for u in understood if isinstance(u, _Understood)]
        tokenized = iter(tokenize_records(self._tokenizer, mapped)) if mapped else iter(())
        return [
            _enter(ingested, u.raw, u.mapped, next(tokenized)) if isinstance(u, _Understood) else u
            for ingested, u in zip(batch, understood, strict=True)
        ]


def _understand(ingested: RecordIngested, raw: RawRecord | Exception) -> _Understood | RecordFailed:
    try:
        if isinstance(raw, Exception):
            raise raw
        mapped = map_record(raw.body, record_kind=raw.record_kind, schema_hint=raw.schema_hint)
    except RecordFailed as failed:
        return failed
    except ExchangeError:
        raise
    except Exception as fault:  # noqa: BLE001 - a bug triggered by one record would block its partition forever
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
        birth_year=mapped.person.dob.year,
    )
    return CanonicalEntry(record, tokenized.tokens, tokenized.row)
