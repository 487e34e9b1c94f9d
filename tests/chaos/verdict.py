"""The promises after a fault, judged by the clients' answers and the contents of the stores. No I/O."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from tests.chaos.clients import Answer
from tests.chaos.records import Posting


@dataclass(frozen=True)
class Told:
    """A posting and every final answer that its client got."""

    posting: Posting
    answers: Sequence[Answer]


@dataclass(frozen=True)
class Held:
    """The contents of the stores by record id. The sets cover all records, the counts only those of this fault."""

    canonical: frozenset[str]
    whole: frozenset[str]
    """Canonical records that have a token and the rows of their kind."""
    manifest: frozenset[str]
    raw_objects: frozenset[str]
    dead_letters: Mapping[str, int]
    rows_by_number: Mapping[str, int]
    """The number of canonical rows by the token of an encounter, a claim or a sample."""


@dataclass(frozen=True)
class Verdict:
    """The broken promises by record or key. The system has survived a fault when all of them are empty."""

    lost: tuple[str, ...] = ()
    """Accepted, but neither canonical nor dead, or without the raw object."""
    doubled: tuple[str, ...] = ()
    """In more than one place or under more than one id."""
    torn: tuple[str, ...] = ()
    """Only partly canonical."""
    misjudged: tuple[str, ...] = ()
    """Readable but dead, or unreadable but canonical."""
    uninvited: tuple[str, ...] = ()
    """Canonical, although no client was told that it was accepted."""
    orphaned: tuple[str, ...] = ()
    """A raw object without a manifest row, which reconcile looks for."""
    unanswered: tuple[str, ...] = ()
    """Refused or not answered, although every record sent is a good one."""
    changed: tuple[str, ...] = ()
    """Answered differently when the same request was sent again."""
    disordered: tuple[str, ...] = ()
    """Keys whose events came out of order."""

    def findings(self) -> Mapping[str, tuple[str, ...]]:
        """Return the broken promises that are not empty, by name."""
        return {name: found for name, found in vars(self).items() if found}


def judge(
    told: Sequence[Told],
    held: Held,
    *,
    accepted_before: frozenset[str] = frozenset(),
    repeated: Iterable[tuple[Answer, Answer]] = (),
    sequences: Mapping[str, Sequence[int]] | None = None,
) -> Verdict:
    """Compare the stores with the answers.

    `repeated` are pairs of a first answer and a later answer to the same request; `sequences` holds the numbers
    published for each key, in the order of the topic.
    """
    accepted: dict[str, Posting] = {}
    lost, doubled, misjudged, unanswered, changed = [], [], [], [], []
    for one in told:
        bodies = {answer.body for answer in one.answers}
        record_ids = {answer.record_id for answer in one.answers} - {None}
        if len(record_ids) > 1:
            doubled.append(one.posting.idempotency_key)
        elif len(bodies) > 1:
            changed.append(one.posting.idempotency_key)
        if not record_ids or any(answer.status != 202 for answer in one.answers):
            unanswered.append(one.posting.idempotency_key)
        accepted |= {str(record_id): one.posting for record_id in record_ids}
    for record_id, posting in accepted.items():
        is_canonical, deaths = record_id in held.canonical, held.dead_letters.get(record_id, 0)
        if (
            not (is_canonical or deaths)
            or record_id not in held.raw_objects
            or record_id not in held.manifest
        ):
            lost.append(record_id)
        elif is_canonical + deaths > 1:
            doubled.append(record_id)
        elif is_canonical != posting.is_readable:
            misjudged.append(record_id)
    doubled += [token for token, rows in held.rows_by_number.items() if rows > 1]
    changed += [first.record_id or "" for first, again in repeated if first.body != again.body]
    return Verdict(
        lost=tuple(lost),
        doubled=tuple(doubled),
        torn=tuple(held.canonical - held.whole),
        misjudged=tuple(misjudged),
        uninvited=tuple(held.canonical - accepted.keys() - accepted_before),
        orphaned=tuple(held.raw_objects - held.manifest),
        unanswered=tuple(unanswered),
        changed=tuple(changed),
        disordered=tuple(key for key, numbers in (sequences or {}).items() if not is_in_order(numbers)),
    )


def is_in_order(numbers: Sequence[int]) -> bool:
    """Tell whether 0, 1, 2 … came in that order; numbers that came already may come again.

    At least once means that a page may be sent twice. A copy may be late, too: a broker that was frozen may finish a
    request that its client has given up only after it has finished later ones.
    """
    newest = -1
    for number in numbers:
        if not 0 <= number <= newest + 1:
            return False
        newest = max(newest, number)
    return True


@dataclass
class Tally:
    """The answers to postings, collected as they come."""

    answers: dict[Posting, list[Answer]] = field(default_factory=dict)

    def add(self, posting: Posting, answer: Answer) -> None:
        self.answers.setdefault(posting, []).append(answer)

    def forget_unanswered(self) -> list[Posting]:
        """Remove and return the postings whose clients gave up, so that they can be sent again."""
        given_up = [
            posting for posting, answers in self.answers.items() if all(a.status != 202 for a in answers)
        ]
        for posting in given_up:
            del self.answers[posting]
        return given_up

    def told(self) -> list[Told]:
        return [Told(posting, tuple(answers)) for posting, answers in self.answers.items()]

    def accepted_ids(self) -> list[str]:
        ids = Counter(
            answer.record_id
            for answers in self.answers.values()
            for answer in answers
            if answer.status == 202
        )
        return [record_id for record_id in ids if record_id is not None]
