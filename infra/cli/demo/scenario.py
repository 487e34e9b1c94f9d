"""The demo from its first request to its verdict."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain

from infra.cli.demo import report
from infra.cli.demo.bad_requests import list_bad_requests, post_bad
from infra.cli.demo.books import Books, Check, close_books
from infra.cli.demo.client import Answer, Client
from infra.cli.demo.evidence import Evidence, gather_evidence
from infra.cli.demo.linkage import measure_linkage
from infra.cli.demo.postings import HOSPITALS, Posting, prepare_postings
from infra.cli.demo.repetition import repeat_changed, repeat_unchanged
from infra.cli.demo.screen import Bars, Screen
from infra.system.addresses import Addresses
from infra.system.local_tokens import sign_token

PROFILE = "v1"
WATCH_SECONDS = 1.0


@dataclass(frozen=True)
class Stored:
    """The counts that only an accepted record may change."""

    rows: Mapping[str, int]
    raw_objects: int


async def run_scenario(addresses: Addresses, pairs: int, connections: int, screen: Screen) -> list[Check]:
    """Send, wait, count, send again, send bad requests, and return the checks."""
    tokens = {
        hospital.partner_id: sign_token(addresses.jwt_secret, hospital.partner_id, scopes=("ingest:write",))
        for hospital in HOSPITALS
    }
    postings = [prepare_postings(hospital, pairs) for hospital in HOSPITALS]
    with gather_evidence(addresses) as evidence:
        async with Client(addresses.ingest, tokens, connections=connections) as client:
            sent, answers, books = await _send_and_count(client, postings, evidence, screen)
            checks = books.checks()
            checks += await _send_again(client, sent, answers, evidence, screen)
        checks += await _send_nonsense(addresses, tokens[HOSPITALS[0].partner_id], evidence, screen)
    return checks


async def _send_and_count(
    client: Client, postings: Sequence[Sequence[Posting]], evidence: Evidence, screen: Screen
) -> tuple[list[Posting], list[Answer], Books]:
    began_at = time.time()
    total = sum(map(len, postings))
    with screen.phase(f"Two hospitals send {total:,} records at the same time"), screen.bars() as bars:
        answered = await _send_all(client, postings, evidence, bars)
        sent_at = time.time()
    sent = list(chain.from_iterable(postings))
    answers = list(chain.from_iterable(answered))
    accepted = {
        record_id: posting
        for posting, answer in zip(sent, answers, strict=True)
        if (record_id := answer.record_id) is not None
    }
    with (
        screen.phase("Every accepted record becomes canonical or a dead letter"),
        screen.bars() as bars,
    ):
        bars.add("finished", len(accepted))
        evidence.watch(accepted)
        evidence.wait_until_finished(len(accepted), partial(bars.set, "finished"))
    books = close_books(answers, evidence.count_stages(), _raw_records(evidence))
    report.show_books(screen.console, books)
    report.show_speed(screen.console, _speed(answers, evidence, began_at, sent_at))
    linkage = measure_linkage(sent, accepted, evidence.read_tokens(PROFILE))
    report.show_linkage(screen.console, linkage)
    return sent, answers, books


async def _send_all(
    client: Client, postings: Sequence[Sequence[Posting]], evidence: Evidence, bars: Bars
) -> list[list[Answer]]:
    for hospital, own in zip(HOSPITALS, postings, strict=True):
        bars.add(hospital.partner_id, len(own))
    bars.add("canonical", sum(map(len, postings)))
    there_before = evidence.count_canonical()

    async def count_canonical() -> None:
        bars.set("canonical", await asyncio.to_thread(evidence.count_canonical) - there_before)

    async def watch() -> None:
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            await count_canonical()

    watching = asyncio.create_task(watch())
    try:
        return await asyncio.gather(
            *(
                client.post_all(own, partial(bars.advance, hospital.partner_id))
                for hospital, own in zip(HOSPITALS, postings, strict=True)
            )
        )
    finally:
        watching.cancel()
        await count_canonical()


def _speed(answers: Sequence[Answer], evidence: Evidence, began_at: float, sent_at: float) -> report.Speed:
    finished_at = evidence.read_finish_times()
    # A record that an earlier demo brought here was canonical before this one asked.
    latencies = [
        finished_at[record_id] - answer.at
        for answer in answers
        if (record_id := answer.record_id) and finished_at.get(record_id, 0.0) > began_at
    ]
    return report.Speed(
        answers=len(answers),
        sending_seconds=sent_at - began_at,
        canonical=len(latencies),
        whole_seconds=max(finished_at.values(), default=sent_at) - began_at,
        latencies_seconds=latencies,
        retries=sum(answer.retries for answer in answers),
    )


async def _send_again(
    client: Client, sent: Sequence[Posting], answers: Sequence[Answer], evidence: Evidence, screen: Screen
) -> list[Check]:
    with screen.phase("Clients that repeat themselves"):
        before = _stored(evidence)
        checks = [await repeat_unchanged(client, sent, answers), await repeat_changed(client, sent, answers)]
        return [*checks, _nothing_new(before, _stored(evidence), "the repetitions")]


async def _send_nonsense(addresses: Addresses, token: str, evidence: Evidence, screen: Screen) -> list[Check]:
    bad_requests = list_bad_requests(addresses.jwt_secret)
    with screen.phase(f"{len(bad_requests)} kinds of bad request"):
        before = _stored(evidence)
        answers = await post_bad(addresses.ingest, bad_requests, token)
        after = _stored(evidence)
    report.show_bad_requests(screen.console, bad_requests, answers)
    wrong = [
        bad.kind for bad, answer in zip(bad_requests, answers, strict=True) if answer.status != bad.status
    ]
    return [
        Check(f"{len(bad_requests)} bad requests got the 4xx they deserve", not wrong, ", ".join(wrong)),
        _nothing_new(before, after, "the bad requests"),
    ]


def _stored(evidence: Evidence) -> Stored:
    return Stored(evidence.count_rows(), len(_raw_records(evidence)))


def _raw_records(evidence: Evidence) -> set[str]:
    return evidence.list_raw_records(hospital.source for hospital in HOSPITALS)


def _nothing_new(before: Stored, after: Stored, whom: str) -> Check:
    changed = [table for table, rows in after.rows.items() if rows != before.rows[table]]
    changed += ["raw objects"] if after.raw_objects != before.raw_objects else []
    claim = f"{whom} stored nothing but audit rows and counts"
    return Check(claim, not changed, ", ".join(changed))
