"""The work and measurements after a fault: waiting for records, repair, and repeated requests."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg2

from infra.system.layout import ROOT
from tests.chaos.clients import Answer, Clients
from tests.chaos.observation import Observation
from tests.chaos.records import Posting
from tests.chaos.verdict import Told

POLL_SECONDS = 0.1
# This fraction of the requests is sent again, beginning with those that needed most tries.
ONE_IN_REPEATED = 5
RECONCILE_TIMEOUT_SECONDS = 300.0


async def wait_settled(
    observation: Observation, record_ids: Sequence[str], stalled_after_seconds: float
) -> None:
    """Wait until all records are canonical or dead, or none has become so for a while; the verdict tells which."""
    settled, moved_at = -1, time.monotonic()
    while settled < len(record_ids) and time.monotonic() - moved_at < stalled_after_seconds:
        with suppress(psycopg2.Error):
            count = await asyncio.to_thread(observation.count_settled, record_ids)
            if count != settled:
                settled, moved_at = count, time.monotonic()
        await asyncio.sleep(POLL_SECONDS)


async def post_again(clients: Clients, told: Sequence[Told]) -> list[tuple[Answer, Answer]]:
    """Send accepted requests again; return pairs of the first and the new answer."""
    hardest_first = sorted(told, key=lambda one: -max(answer.tries for answer in one.answers))
    accepted = [one for one in hardest_first if one.answers[0].status == 202]
    first = {one.posting: one.answers[0] for one in accepted[: len(accepted) // ONE_IN_REPEATED]}
    pairs: list[tuple[Answer, Answer]] = []

    def compare(posting: Posting, answer: Answer) -> None:
        pairs.append((first[posting], answer))

    await clients.post_all(first, compare)
    return pairs


async def reconcile(data_dir: Path, since: datetime) -> dict[str, Any]:
    """Run `exchange reconcile --repair` as an operator does, without a grace period; return its report."""
    command = [sys.executable, "-m", "infra.cli.main", "reconcile", "--data-dir", str(data_dir)]
    options = [
        "--since",
        since.isoformat(),
        "--repair",
        "--grace",
        "0",
        "--shards",
        "1",
        "--wait",
        "0",
        "--json",
    ]
    # Its exit code tells that findings are open, and dead letters are findings.
    done = await asyncio.to_thread(
        subprocess.run,
        [*command, *options],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=RECONCILE_TIMEOUT_SECONDS,
        check=False,
    )
    assert done.stdout.startswith("{"), f"reconcile failed: {done.stdout[-500:]}{done.stderr[-500:]}"
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def recovery_seconds(observation: Observation, told: Sequence[Told], last_at: float) -> float | None:
    """Return the time from `last_at` until all records accepted by then, and a later one, were settled.

    Return None if that never happened.
    """
    answered = {
        answer.record_id: answer.at for one in told for answer in one.answers if answer.record_id is not None
    }
    finished = observation.finish_times(list(answered))
    before = [finished.get(record_id) for record_id, at in answered.items() if at <= last_at]
    after = [
        finished[record_id] for record_id, at in answered.items() if at > last_at and record_id in finished
    ]
    if None in before or not after:
        return None
    return max(min(after), last_at, *(at for at in before if at is not None)) - last_at
