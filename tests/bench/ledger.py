"""The cost of the ledger: batches through normalize, compared with the same work without the ledger's statements."""

from __future__ import annotations

import asyncio
import base64
import os
import time
from statistics import median
from typing import Any

import psycopg2
import psycopg2.extras
from obstore.store import S3Store

from exchange.intake.model import Submission
from exchange.partners.service import PartnerRegistry
from exchange.platform.db import Database
from exchange.platform.functions import Function
from exchange.platform.objects import Objects
from exchange.platform.settings import Settings
from exchange.raw.entry import encode_event
from exchange.raw.reader import RawReader
from exchange.records.canonicalizer import Canonicalizer
from exchange.records.deliveries import read_deliveries, read_event
from exchange.records.service import Normalizer
from exchange.records.store import CanonicalEntry, write_canonical
from exchange.tokens.service import tokenize_batch
from infra.system.addresses import Addresses
from infra.system.layout import BUCKET
from tests.bench.normalize import put_all
from tests.bench.records import submission_of
from tests.bench.report import Figure
from tests.bench.serving import function_environment

BATCH = 250
ROUNDS = 16
TOPIC = "record.ingested.v2"
CONTRACT_OF_TOPIC = {TOPIC: "events/record.ingested.v2"}
SETTINGS = Settings(env="local", tokenizer_hmac_secret="the bench's own")


class InProcessTokenizer(Function):
    """The tokenize function, called directly, which makes the ledger's share look larger than it is."""

    def __init__(self) -> None:
        pass

    def invoke(self, payload: dict[str, Any]) -> dict[str, Any]:
        return tokenize_batch(payload, SETTINGS)


def measure(addresses: Addresses) -> list[Figure]:
    """Measure both ways in turns on one database, process and bucket; compare each batch with its neighbour."""
    run = os.urandom(4).hex()
    submissions = [submission_of(number, run) for number in range(2 * ROUNDS * BATCH)]
    asyncio.run(put_all(addresses, submissions))
    database, canonicalizer = _rooms(addresses)
    normalizer = Normalizer(database, canonicalizer, CONTRACT_OF_TOPIC)
    seconds: dict[str, list[float]] = {"with": [], "without": []}
    for number in range(2 * ROUNDS):
        event = _event(submissions[number * BATCH : (number + 1) * BATCH], number * BATCH)
        started = time.perf_counter()
        if number % 2:
            normalizer.normalize(event)
            seconds["with"].append(time.perf_counter() - started)
        else:
            _normalize_without_ledger(database, canonicalizer, event)
            seconds["without"].append(time.perf_counter() - started)
    database.close()
    shares = [without / with_ledger for with_ledger, without in zip(*seconds.values(), strict=True)]
    with_ledger, without = map(median, seconds.values())
    return [
        Figure(
            "normalize: share of speed without ledger",
            median(shares),
            "×",
            0.8,
            beside=f"{BATCH / with_ledger:,.0f}/s of {BATCH / without:,.0f}/s, one process, batches of {BATCH}",
        )
    ]


def _normalize_without_ledger(
    database: Database, canonicalizer: Canonicalizer, event: dict[str, Any]
) -> None:
    batch = [read_event(delivery, CONTRACT_OF_TOPIC) for delivery in read_deliveries(event)]
    outcomes = canonicalizer.canonicalize(batch)
    with database.transaction() as transaction:
        write_canonical(transaction, [entry for entry in outcomes if isinstance(entry, CanonicalEntry)])


def _rooms(addresses: Addresses) -> tuple[Database, Canonicalizer]:
    psycopg2.extras.register_uuid()  # type: ignore[no-untyped-call]
    variables = function_environment(addresses, "exchange_normalize")
    store = S3Store(
        BUCKET,
        endpoint=addresses.s3,
        region="us-east-1",
        access_key_id=variables["AWS_ACCESS_KEY_ID"],
        secret_access_key=variables["AWS_SECRET_ACCESS_KEY"],
        virtual_hosted_style_request=False,
        client_options={"allow_http": True},
    )
    database = Database(lambda: psycopg2.connect(variables["POSTGRES_DSN"]))
    reader = RawReader(Objects(store), PartnerRegistry(database), BUCKET)
    return database, Canonicalizer(reader, InProcessTokenizer())


def _event(submissions: list[Submission], first_offset: int) -> dict[str, Any]:
    return {
        "records": {
            f"{TOPIC}-0": [
                {
                    "topic": TOPIC,
                    "partition": 0,
                    "offset": first_offset + number,
                    "value": base64.b64encode(
                        encode_event(submission.entry(BUCKET), submission.version)
                    ).decode(),
                }
                for number, submission in enumerate(submissions)
            ]
        }
    }
