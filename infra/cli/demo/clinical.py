"""Made-up clinical data for both hospitals: seeded by the record, so that every run sends the same bytes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Literal

from infra.cli.demo.people import Person

Kind = Literal["encounter", "claim", "lab_result"]
KINDS: tuple[Kind, ...] = ("encounter", "claim", "lab_result")
# ICD-10-CM and CPT, as in every contract.
DIAGNOSES = ("E11.9", "I10", "J45.909", "M54.5", "N39.0", "F41.1", "K21.9", "R07.9", "S52.501A", "Z00.00")
PROCEDURES = ("99213", "99223", "93000", "36415", "71046", "80053", "85025", "J1815")
_FIRST_DAY = datetime(2024, 1, 1)  # noqa: DTZ001 - the clock on the partner's wall
_MINUTES = 2 * 365 * 24 * 60


@dataclass(frozen=True)
class Analyte:
    """A laboratory test, its usual range, and its unit in UCUM."""

    loinc: str
    unit: str
    low: float
    high: float
    decimals: int


ANALYTES = (
    Analyte("2345-7", "mg/dL", 70, 99, 0),
    Analyte("718-7", "g/dL", 12, 17.5, 1),
    Analyte("2160-0", "mg/dL", 0.6, 1.3, 2),
    Analyte("2951-2", "mmol/L", 135, 145, 0),
    Analyte("4548-4", "%", 4, 5.6, 1),
)
CORONAVIRUS_LOINC = "94500-6"


@dataclass(frozen=True)
class Measurement:
    """A value as printed by the analyser; `flag` is low, normal or high."""

    analyte: Analyte
    value: str
    flag: Literal["low", "normal", "high"]


class Chart:
    """One person's chart at one hospital. Its random draws are the same in every run."""

    def __init__(self, person: Person) -> None:
        self._random = Random(person.record)  # noqa: S311 - the same data every time is the point
        self.number = person.number
        self.kind: Kind = KINDS[person.number % len(KINDS)]

    def moment(self) -> datetime:
        return _FIRST_DAY + timedelta(minutes=self._random.randrange(_MINUTES))

    def later(self, moment: datetime) -> datetime:
        return moment + timedelta(minutes=self._random.randint(30, 10 * 24 * 60))

    def happens(self, probability: float) -> bool:
        return self._random.random() < probability

    def one_of(self, choices: tuple[str, ...]) -> str:
        return self._random.choice(choices)

    def diagnoses(self) -> list[str]:
        return self._random.sample(DIAGNOSES, self._random.randint(1, 3))

    def services(self) -> list[tuple[str, int, int]]:
        """Return one to four services as (procedure, units, cents)."""
        procedures = self._random.sample(PROCEDURES, self._random.randint(1, 4))
        return [
            (code, self._random.randint(1, 3), self._random.randint(1_500, 250_000)) for code in procedures
        ]

    def measurements(self) -> list[Measurement]:
        return [
            self._measure(analyte) for analyte in self._random.sample(ANALYTES, self._random.randint(1, 4))
        ]

    def _measure(self, analyte: Analyte) -> Measurement:
        spread = analyte.high - analyte.low
        value = self._random.uniform(analyte.low - spread / 4, analyte.high + spread / 4)
        flag: Literal["low", "normal", "high"] = (
            "low" if value < analyte.low else "high" if value > analyte.high else "normal"
        )
        return Measurement(analyte, f"{value:.{analyte.decimals}f}", flag)
