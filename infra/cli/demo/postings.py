"""The requests of each hospital, ready to be sent."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from infra.cli.demo import hospital_a, hospital_b
from infra.cli.demo.people import Dataset, Person, read_people


@dataclass(frozen=True)
class Hospital:
    """A partner of the exchange and the data set that it sends."""

    partner_id: str
    source: str
    route: str
    dataset: Dataset
    compose: Callable[[Person], dict[str, Any]]


HOSPITALS = (
    Hospital("partnerA", hospital_a.SOURCE, "/v1/ingest", "4a", hospital_a.compose),
    Hospital("partnerB", hospital_b.SOURCE, "/v2/ingest", "4b", hospital_b.compose),
)


@dataclass(frozen=True, slots=True, repr=False)
class Posting:
    """One request: its hospital, the number of its person, and its bytes."""

    hospital: Hospital
    number: int
    idempotency_key: str
    body: bytes


def prepare_postings(hospital: Hospital, pairs: int) -> list[Posting]:
    """Return all requests of `hospital`; they are the same bytes in every run."""
    return [
        Posting(hospital, person.number, f"febrl4-{person.record}", encode(hospital.compose(person)))
        for person in read_people(hospital.dataset, pairs)
    ]


def encode(body: dict[str, Any]) -> bytes:
    return json.dumps(body, separators=(",", ":")).encode()
