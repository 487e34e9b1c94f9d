"""The balance: every record that was sent is refused, canonical or a dead letter."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from infra.cli.demo.client import Answer
from infra.cli.demo.evidence import StageCounts


@dataclass(frozen=True)
class Check:
    """A claim that has to hold, and what was found if it does not."""

    claim: str
    holds: bool
    found: str = ""


@dataclass(frozen=True)
class Books:
    """The requests of the sending phase, counted at both ends."""

    sent: int
    refused: Mapping[str, int]
    """By the status and message of the answer."""
    accepted: int
    distinct_records: int
    stages: StageCounts
    raw_objects: int

    @property
    def refused_total(self) -> int:
        return sum(self.refused.values())

    @property
    def unaccounted(self) -> int:
        return self.sent - self.refused_total - self.stages.canonical - self.stages.dead_letters

    def checks(self) -> list[Check]:
        """Return the claims that the books must fulfil."""
        stages = self.stages
        balance = (
            f"{self.sent:,} sent = {self.refused_total:,} refused + {stages.canonical:,} canonical"
            f" + {stages.dead_letters:,} dead letters"
        )
        everywhere = {
            "record ids": self.distinct_records,
            "idempotency rows": stages.idempotency_rows,
            "manifest rows": stages.manifest_rows,
            "raw objects": self.raw_objects,
            "published events": stages.published,
        }
        return [
            Check(
                balance,
                self.unaccounted == 0,
                f"{self.unaccounted:,} unaccounted for",
            ),
            *(
                Check(f"{what} = accepted", count == self.accepted, f"{count:,}, not {self.accepted:,}")
                for what, count in everywhere.items()
            ),
        ]


def close_books(answers: Sequence[Answer], stages: StageCounts, raw_records: set[str]) -> Books:
    """Close the books over all answers of the sending phase. A 4xx is a refusal; no answer and a 5xx are not."""
    record_ids = [record_id for answer in answers if (record_id := answer.record_id)]
    return Books(
        sent=len(answers),
        refused=Counter(
            f"{answer.status} {answer.message}" for answer in answers if 400 <= answer.status < 500
        ),
        accepted=len(record_ids),
        distinct_records=len(set(record_ids)),
        stages=stages,
        raw_objects=len(raw_records.intersection(record_ids)),
    )
