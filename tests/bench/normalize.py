"""Records per second from a waiting topic to canonical rows, and whether the last ones are as fast as the first."""

from __future__ import annotations

import asyncio
import os
import time

import obstore
from kafka import KafkaProducer
from obstore.store import S3Store
from rich.progress import track

from exchange.intake.model import Submission
from exchange.raw.entry import encode_event, encode_metadata
from infra.system.addresses import Addresses
from tests.bench.records import submission_of
from tests.bench.report import Figure
from tests.bench.serving import function_environment, query

RECORDS = 20_000
SLICE = 5_000
TOPIC = "record.ingested.v2"
TIMEOUT_SECONDS = 180
# The times at which records became canonical, in order.
FINISHED = """
SELECT extract(epoch FROM finished_at)::float FROM processing_stage_state
WHERE state = 'succeeded' ORDER BY finished_at
"""


def measure(addresses: Addresses) -> list[Figure]:
    """Measure a backlog of RECORDS, delivered by the event source as usual."""
    run = os.urandom(4).hex()
    submissions = [
        submission_of(number, run) for number in track(range(RECORDS), "normalize: making records")
    ]
    asyncio.run(put_all(addresses, submissions))
    known = query(addresses, "SELECT count(*) FROM processing_stage_state WHERE state = 'succeeded'")[0][0]
    producer = KafkaProducer(bootstrap_servers=addresses.kafka_brokers, acks="all", batch_size=256 * 1024)
    for submission in submissions:
        event = encode_event(submission.entry("exchange-raw"), submission.version)
        producer.send(TOPIC, key=str(submission.record_id).encode(), value=event)
    producer.flush()
    _wait(addresses, known + RECORDS)
    finished = [at for (at,) in query(addresses, FINISHED)][known:]
    # The first batch pays for the cold start, and the last ones are small, as the topic runs dry.
    first = finished[SLICE] - finished[500]
    last = finished[-500] - finished[-SLICE]
    producer.close()
    return [
        Figure(
            "normalize",
            (RECORDS - 1_000) / (finished[-500] - finished[500]),
            "records/s",
            1_000,
            beside=f"{RECORDS:,} waiting records, S3, tokenize and ledger on",
        ),
        Figure(
            "normalize: last of 20 k against first 5 k",
            last / first,
            "× cost",
            1.2,
            at_most=True,
            beside="same number of records each",
        ),
    ]


async def put_all(addresses: Addresses, submissions: list[Submission]) -> None:
    """Store every submission's raw object, 16 at a time."""
    environment = function_environment(addresses, "exchange_ingest")
    store = S3Store(
        "exchange-raw",
        endpoint=addresses.s3,
        region="us-east-1",
        access_key_id=environment["AWS_ACCESS_KEY_ID"],
        secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
        virtual_hosted_style_request=False,
        client_options={"allow_http": True},
    )
    slots = asyncio.Semaphore(16)

    async def put(submission: Submission) -> None:
        async with slots:
            await obstore.put_async(
                store,
                submission.object_key,
                submission.body,
                attributes={
                    "Content-Type": "application/json",
                    **encode_metadata(submission.entry("exchange-raw"), submission.key_hash),
                },
                use_multipart=False,
            )

    await asyncio.gather(*map(put, submissions))


def _wait(addresses: Addresses, count: int) -> None:
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while time.monotonic() < deadline:
        (done,) = query(addresses, "SELECT count(*) FROM processing_stage_state WHERE state <> 'running'")[0]
        if done >= count:
            return
        time.sleep(1)
    raise TimeoutError("the records did not become canonical in time")
