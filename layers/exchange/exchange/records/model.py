"""The parts that a record becomes: a person and identifiers to tokenize, and canonical rows that name nobody.

No repr in this module shows a value, since rows hold health data and persons are identifiable.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Literal
from uuid import UUID

IdentifierKind = Literal["encounter", "claim", "member", "medical_record", "accession"]
EncounterClass = Literal["inpatient", "outpatient", "emergency", "observation", "home", "virtual"]
AbnormalFlag = Literal["normal", "low", "high", "critically_low", "critically_high", "abnormal"]
CodedResult = Literal[
    "positive", "negative", "detected", "not_detected", "reactive", "nonreactive", "indeterminate"
]


@dataclass(frozen=True, slots=True, repr=False)
class Person:
    """The person that a record is about, as sent: token profiles fold case and blanks, this class does not."""

    given_name: str
    family_name: str
    dob: date
    ssn: str | None


@dataclass(frozen=True, slots=True, repr=False)
class Identifier:
    """A number that the partner assigned to a person, a stay, a claim or a sample."""

    kind: IdentifierKind
    value: str


@dataclass(frozen=True, slots=True, repr=False)
class CanonicalRecord:
    """The row that canonical records of every kind have."""

    record_id: UUID
    partner_id: str
    source: str
    record_kind: str
    schema_hint: str
    birth_year: int
    """The year of birth, the only part of the birth date that canonical rows keep."""


@dataclass(frozen=True, slots=True, repr=False)
class Encounter:
    """A stay or visit. Times are aware UTC; `discharged_at` is None until it ends."""

    encounter_token: str
    member_token: str
    facility_id: str
    encounter_class: EncounterClass
    admitted_at: datetime
    discharged_at: datetime | None
    diagnosis_codes: tuple[str, ...]
    """ICD-10-CM with its dot, principal first."""


@dataclass(frozen=True, slots=True, repr=False)
class ClaimLine:
    """One service of a claim; `ordinal` counts from 1 in the partner's order."""

    ordinal: int
    procedure_code: str
    units: int
    amount_cents: int


@dataclass(frozen=True, slots=True, repr=False)
class Claim:
    """A claim whose lines add up to its total. Both service days are included."""

    claim_token: str
    member_token: str
    service_from: date
    service_to: date
    total_amount_cents: int
    currency: str
    diagnosis_codes: tuple[str, ...]
    """ICD-10-CM with its dot, principal first."""
    lines: tuple[ClaimLine, ...]


@dataclass(frozen=True, slots=True, repr=False)
class LabObservation:
    """One result: either a number with its UCUM unit or a code. `ordinal` counts from 1."""

    ordinal: int
    loinc_code: str
    value_numeric: Decimal | None
    value_code: CodedResult | None
    unit: str | None
    abnormal_flag: AbnormalFlag | None


@dataclass(frozen=True, slots=True, repr=False)
class LabResult:
    """The results of one sample. `collected_at` is aware UTC."""

    accession_token: str
    member_token: str
    collected_at: datetime
    observations: tuple[LabObservation, ...]


CanonicalRow = Encounter | Claim | LabResult


@dataclass(frozen=True, slots=True, repr=False)
class Draft:
    """A canonical row that waits for the tokens of its identifiers."""

    identifiers: tuple[Identifier, ...]
    """The identifiers to tokenize, in the order of the row's token fields, which are its first fields."""
    row: Callable[..., CanonicalRow]

    def complete(self, tokens: Sequence[str]) -> CanonicalRow:
        """Return the row with one token for each of `identifiers`, in their order. TypeError if the counts differ."""
        return self.row(*tokens)


@dataclass(frozen=True, slots=True, repr=False)
class MappedRecord:
    """A raw record after mapping: everything of it that may leave the raw store, and the person it is about."""

    person: Person
    draft: Draft
