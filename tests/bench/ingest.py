"""Requests per second through the ingest API, compared with a bare loop of the same SQL and PUT."""

from __future__ import annotations

import subprocess
import sys
import time
import uuid

import uvloop

from exchange.intake import idempotency, store
from exchange.outbox.model import OutboxEvent
from exchange.platform.db import database
from exchange.platform.objects import raw_objects
from exchange.platform.settings import load_settings
from exchange.raw.entry import encode_event, encode_metadata
from exchange.raw.manifest import record_lock_id
from infra.system.addresses import Addresses
from infra.system.layout import ROOT
from tests.bench.load import send_all
from tests.bench.records import requests, submission_of
from tests.bench.report import Figure
from tests.bench.serving import function_environment

GOALS = {1: 0.45, 8: 0.5}
AIM = 0.6
COUNTS = {1: 1_200, 8: 4_000}
WARM_UP = 400


def measure(addresses: Addresses) -> list[Figure]:
    """Measure at 1 and at 8 clients: the API, the bare loop, and the API again, whose two runs are averaged."""
    figures = []
    _send(addresses, 8, WARM_UP)
    for clients, goal in GOALS.items():
        count = COUNTS[clients]
        before = _send(addresses, clients, count)
        bare = _run_bare(addresses, clients, count)
        after = _send(addresses, clients, count)
        ours = (before + after) / 2
        figures.append(
            Figure(
                f"ingest, {clients} client{'s' * (clients > 1)}: share of bare",
                ours / bare,
                "×",
                goal,
                beside=f"{ours:,.0f}/s of {bare:,.0f}/s bare; aim {AIM}",
            )
        )
    return figures


def _send(addresses: Addresses, clients: int, count: int) -> float:
    run = uuid.uuid4().hex[:12]
    prepared = list(requests(addresses, run, count))
    load = uvloop.run(
        send_all(
            addresses.ingest,
            iter(prepared),
            clients=clients,
            accept=lambda status: status == 202,
        )
    )
    return load.per_second


def _run_bare(addresses: Addresses, clients: int, count: int) -> float:
    each = count // clients
    command = [sys.executable, "-m", "tests.bench.ingest", str(each)]
    environment = function_environment(addresses, "exchange_ingest")
    workers = [
        subprocess.Popen(command, cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        for _ in range(clients)
    ]
    for worker in workers:
        assert worker.stdout is not None
        worker.stdout.readline()
    started = time.perf_counter()
    for worker in workers:
        assert worker.stdin is not None
        worker.stdin.close()
    for worker in workers:
        assert worker.stdout is not None
        worker.stdout.readline()
    duration_seconds = time.perf_counter() - started
    for worker in workers:
        assert worker.stdout is not None
        worker.stdout.close()
        if worker.wait() != 0:
            raise RuntimeError("a bare loop failed")
    return each * clients / duration_seconds


def run_bare_loop(count: int) -> None:
    """Run only the statements and the PUT of an accepted request, `count` times."""
    settings = load_settings()
    objects = raw_objects()
    run = uuid.uuid4().hex[:12]
    submissions = [submission_of(number, run) for number in range(count)]
    prepared = [
        (
            submission,
            (entry := submission.entry(settings.raw_bucket)),
            encode_metadata(entry, submission.key_hash),
            OutboxEvent("record.ingested.v2", str(entry.record_id), encode_event(entry, entry.version)),
        )
        for submission in submissions
    ]
    with database().transaction() as transaction:
        transaction.execute("SELECT 1")
    print("ready", flush=True)
    sys.stdin.read()
    for number, (submission, entry, metadata, event) in enumerate(prepared):
        key_hash = f"bench-{run}-{number}"
        with database().transaction() as transaction:
            transaction.execute(
                idempotency.QUERIES["lock_and_read_answer"],
                {
                    "lock_id": hash(key_hash),
                    "record_lock_id": record_lock_id(submission.record_id),
                    "key_hash": key_hash,
                    "record_id": submission.record_id,
                },
            )
            objects.put(submission.object_key, submission.body, metadata)
            store.accept_submission(transaction, entry, event, key_hash=key_hash)
            transaction.execute_and_commit(
                idempotency.QUERIES["keep_answer"],
                {
                    "key_hash": key_hash,
                    "partner_id": submission.partner_id,
                    "route": submission.route,
                    "body_hash": submission.body_sha256,
                    "response": '{"record_id": "' + str(submission.record_id) + '"}',
                    "expires_after_seconds": 3600,
                },
            )
    print("done", flush=True)


if __name__ == "__main__":
    run_bare_loop(int(sys.argv[1]))
