"""Canonical rows and tokens, written by one or two statements for a batch of any size."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from exchange.platform.db import Transaction
from exchange.platform.queries import load_queries
from exchange.records.model import CanonicalRecord, CanonicalRow, Claim, Encounter, LabResult
from exchange.records.tokenizer import PatientToken

QUERIES = load_queries(__file__)
# The statement of each kind of row, and the field whose items go to a table of their own.
_WRITES: Mapping[type[CanonicalRow], tuple[str, str | None]] = {
    Encounter: ("write_encounters", None),
    Claim: ("write_claims", "lines"),
    LabResult: ("write_lab_results", "observations"),
}


@dataclass(frozen=True)
class CanonicalEntry:
    """The canonical rows and tokens of one record."""

    record: CanonicalRecord
    tokens: tuple[PatientToken, ...]
    row: CanonicalRow


def write_canonical(transaction: Transaction, entries: Sequence[CanonicalEntry]) -> None:
    """Write all of `entries`; rows that exist already stay as they are."""
    if not entries:
        return
    transaction.execute(
        QUERIES["write_records"],
        {
            "records": _encode(_columns(entry.record) for entry in entries),
            "tokens": _encode(
                _columns(token, record_id=entry.record.record_id)
                for entry in entries
                for token in entry.tokens
            ),
        },
    )
    for kind, (statement, detail_field) in _WRITES.items():
        of_kind = [entry for entry in entries if isinstance(entry.row, kind)]
        if not of_kind:
            continue
        details = (
            _columns(detail, record_id=entry.record.record_id)
            for entry in of_kind
            for detail in (getattr(entry.row, detail_field) if detail_field else ())
        )
        transaction.execute(
            QUERIES[statement],
            {
                "rows": _encode(
                    _columns(entry.row, record_id=entry.record.record_id, leave_out=detail_field)
                    for entry in of_kind
                ),
                "details": _encode(details),
            },
        )


def _columns(row: Any, *, leave_out: str | None = None, **more: object) -> dict[str, object]:
    """Return a dataclass as a row: its fields are the table's columns."""
    return {f.name: getattr(row, f.name) for f in fields(row) if f.name != leave_out} | more


def _encode(rows: Iterable[Mapping[str, object]]) -> str:
    # str: Postgres reads dates, UUIDs and Decimals in this form, without a detour over float.
    return json.dumps(list(rows), default=str, separators=(",", ":"))
