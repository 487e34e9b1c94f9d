"""What is done and measured once a fault is over: waiting, mending, asking again."""

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
# One in so many of the requests is sent again, those first that had to be tried again.
ONE_IN_REPEATED = 5
RECONCILE_TIMEOUT_SECONDS = 300.0


async def wait_settled(
    observation: Observation, record_ids: Sequence[str], stalled_after_seconds: float
) -> None:
    """Return when all are canonical or dead, or when none has become so for a while: the verdict says which."""
    settled, moved_at = -1, time.monotonic()
    while settled < len(record_ids) and time.monotonic() - moved_at < stalled_after_seconds:
        with suppress(psycopg2.Error):
            count = await asyncio.to_thread(observation.count_settled, record_ids)
            if count != settled:
                settled, moved_at = count, time.monotonic()
        await asyncio.sleep(POLL_SECONDS)


async def post_again(clients: Clients, told: Sequence[Told]) -> list[tuple[Answer, Answer]]:
    """The same requests once more: pairs of the first answer and this one."""
    hardest_first = sorted(told, key=lambda one: -max(answer.tries for answer in one.answers))
    accepted = [one for one in hardest_first if one.answers[0].status == 202]
    first = {one.posting: one.answers[0] for one in accepted[: len(accepted) // ONE_IN_REPEATED]}
    pairs: list[tuple[Answer, Answer]] = []

    def compare(posting: Posting, answer: Answer) -> None:
        pairs.append((first[posting], answer))

    await clients.post_all(first, compare)
    return pairs


async def reconcile(data_dir: Path, since: datetime) -> dict[str, Any]:
    """`exchange reconcile --repair`, as an operator runs it, nothing taken for too young; what it reports."""
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
    # Its exit code says that findings are open, as dead letters are.
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
    """From `last_at` until all that had been accepted by then was settled, and a record that came later, too.

    None where that never was.
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
