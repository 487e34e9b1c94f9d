"""The measure of how many people tokens alone link across the two hospitals."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from infra.cli.demo.postings import Hospital, Posting


@dataclass(frozen=True)
class Linkage:
    """`linked` pairs of records, one from each hospital, that share a token; `correct` ones are one person."""

    true_pairs: int
    accepted_pairs: int
    """True pairs of which both records were accepted: no token could link the others."""
    linked: int
    correct: int

    @property
    def recall(self) -> float:
        return _share(self.correct, self.true_pairs)

    @property
    def recall_of_accepted(self) -> float:
        return _share(self.correct, self.accepted_pairs)

    @property
    def precision(self) -> float:
        return _share(self.correct, self.linked)


def measure_linkage(
    postings: Collection[Posting], accepted: Mapping[str, Posting], tokens: Iterable[tuple[str, str]]
) -> Linkage:
    """Compare the links that tokens make with the truth. `accepted` is by record id, `tokens` (record id, token)."""
    numbers_of_token: defaultdict[str, defaultdict[Hospital, set[int]]] = defaultdict(
        lambda: defaultdict(set)
    )
    for record_id, token in tokens:
        posting = accepted[record_id]
        numbers_of_token[token][posting.hospital].add(posting.number)
    linked = {
        (one, other)
        for numbers in numbers_of_token.values()
        if len(numbers) == 2
        for first, second in [sorted(numbers, key=lambda hospital: hospital.partner_id)]
        for one in numbers[first]
        for other in numbers[second]
    }
    return Linkage(
        true_pairs=_pairs(postings),
        accepted_pairs=_pairs(accepted.values()),
        linked=len(linked),
        correct=sum(one == other for one, other in linked),
    )


def _pairs(postings: Collection[Posting]) -> int:
    hospitals_of_number: defaultdict[int, set[Hospital]] = defaultdict(set)
    for posting in postings:
        hospitals_of_number[posting.number].add(posting.hospital)
    return sum(len(hospitals) == 2 for hospitals in hospitals_of_number.values())


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0
