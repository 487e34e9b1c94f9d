"""The tokenization of mapped records, in one call for up to PEOPLE_PER_CALL of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from exchange.errors import RecordRejected
from exchange.platform.functions import Function
from exchange.records.model import CanonicalRow, MappedRecord

PROFILE = "v1"
PEOPLE_PER_CALL = 300
"""With at most three identifiers per record, both lists stay within the contract's limit of 1,000 items."""


@dataclass(frozen=True)
class PatientToken:
    """A token of a person."""

    profile: str
    key_version: str
    rule: str
    token: str


@dataclass(frozen=True)
class TokenizedRecord:
    """A tokenized record, which names nobody: its tokens and its complete row."""

    tokens: tuple[PatientToken, ...]
    row: CanonicalRow


def tokenize_records(
    tokenizer: Function, mapped: Sequence[tuple[str, MappedRecord]]
) -> list[TokenizedRecord | RecordRejected]:
    """Return for each (partner_id, record) its tokens, or the reason why tokenize refused it.

    Raises DependencyUnavailable.
    """
    return [
        outcome
        for start in range(0, len(mapped), PEOPLE_PER_CALL)
        for outcome in _tokenize_call(tokenizer, mapped[start : start + PEOPLE_PER_CALL])
    ]


def _tokenize_call(
    tokenizer: Function, mapped: Sequence[tuple[str, MappedRecord]]
) -> list[TokenizedRecord | RecordRejected]:
    answer = tokenizer.invoke(
        {
            "profile": PROFILE,
            "people": [
                {
                    "given_name": record.person.given_name,
                    "family_name": record.person.family_name,
                    "dob": record.person.dob.isoformat(),
                    "ssn": record.person.ssn,
                }
                for _, record in mapped
            ],
            "identifiers": [
                {"kind": identifier.kind, "partner_id": partner_id, "value": identifier.value}
                for partner_id, record in mapped
                for identifier in record.draft.identifiers
            ],
        }
    )
    identifiers = iter(answer["identifiers"])
    return [
        _complete(answer, person, record, [next(identifiers) for _ in record.draft.identifiers])
        for person, (_, record) in zip(answer["people"], mapped, strict=True)
    ]


def _complete(
    answer: dict[str, Any], person: dict[str, Any], record: MappedRecord, identifiers: list[dict[str, Any]]
) -> TokenizedRecord | RecordRejected:
    for item in (person, *identifiers):
        if "error" in item:
            return RecordRejected(item["error"]["message"], stage="normalize")
    return TokenizedRecord(
        tokens=tuple(
            PatientToken(answer["profile"], answer["key_version"], token["rule"], token["token"])
            for token in person["tokens"]
        ),
        row=record.draft.complete([identifier["token"] for identifier in identifiers]),
    )
