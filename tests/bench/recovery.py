"""Objects per second in one invocation of replay or reconcile, compared with bare reads and listings."""

from __future__ import annotations

import asyncio
import json
import os
import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from urllib.request import Request, urlopen

import boto3
from obstore.store import S3Store

from exchange.platform.listing import Listing
from exchange.platform.objects import Objects
from exchange.raw.entry import BODY_LIMIT_BYTES
from infra.system.addresses import Addresses
from infra.system.layout import BUCKET, REGION
from tests.bench.normalize import put_all
from tests.bench.records import submission_of
from tests.bench.report import Figure
from tests.bench.serving import query

OBJECTS = 4_000
# An hour for these objects only, years before those of the other measurements.
HOUR = datetime(2020, 1, 1, tzinfo=UTC)


def measure(addresses: Addresses) -> list[Figure]:
    """Measure one shard each of a replay from the objects, a replay from the manifest, and a reconcile."""
    run = os.urandom(4).hex()
    records = [replace(submission_of(number, run), occurred_at=HOUR) for number in range(OBJECTS)]
    asyncio.run(put_all(addresses, records))
    keys = [record.object_key for record in records]
    prefix = keys[0].rpartition("/")[0] + "/"
    emit = {"action": "run", "mode": "emit", "prefix": prefix}
    rebuilt = _per_second(addresses, "ReplayFunction", emit, "emitted")
    _forget_outbox(addresses)
    known = _per_second(addresses, "ReplayFunction", emit, "emitted")
    window = {"since": HOUR.isoformat(), "prefix": prefix, "grace_seconds": 3600}
    compared = _per_second(addresses, "ReconcileFunction", {"action": "run", **window}, "records")
    _forget_outbox(addresses)
    read, listed = _read_bare(addresses, keys), _list_bare(addresses, prefix)
    return [
        Figure(
            "replay: tables lost, share of bare reads",
            rebuilt / read,
            "×",
            beside=f"{rebuilt:,.0f} events/s, one shard; {read:,.0f} objects/s only read",
        ),
        Figure(
            "replay: tables there", known, "events/s", beside="one shard; the objects are listed, not read"
        ),
        Figure(
            "reconcile: share of bare listing",
            compared / listed,
            "×",
            beside=f"{compared:,.0f} records/s, one shard; {listed:,.0f} objects/s only listed",
        ),
    ]


def _per_second(addresses: Addresses, function: str, request: dict[str, Any], counted: str) -> float:
    """Measure a second invocation; the first one, which finds nothing to do, pays for the cold start."""
    _invoke(addresses, function, {**request, "prefix": "nothing-here/"})
    started = time.perf_counter()
    report = _invoke(addresses, function, request)
    per_second = OBJECTS / (time.perf_counter() - started)
    if report["counts"].get(counted) != OBJECTS:
        raise RuntimeError(f"{function}: {report}")
    return per_second


def _invoke(addresses: Addresses, function: str, request: dict[str, Any]) -> dict[str, Any]:
    url = f"{addresses.lambda_}/2015-03-31/functions/{function}/invocations"
    with urlopen(Request(url, data=json.dumps(request).encode(), method="POST"), timeout=310) as answer:
        report: dict[str, Any] = json.loads(answer.read())
    return report


def _forget_outbox(addresses: Addresses) -> None:
    """Mark all events as published: nothing publishes them here, and replay would wait for that."""
    query(addresses, "UPDATE outbox_events SET published_at = clock_timestamp() WHERE published_at IS NULL")


def _read_bare(addresses: Addresses, keys: list[str]) -> float:
    store = S3Store(
        BUCKET,
        endpoint=addresses.s3,
        region=REGION,
        access_key_id=addresses.s3_access_key,
        secret_access_key=addresses.s3_secret_key,
        virtual_hosted_style_request=False,
        client_options={"allow_http": True},
    )
    started = time.perf_counter()
    Objects(store).get_many(keys, limit_bytes=BODY_LIMIT_BYTES)
    return len(keys) / (time.perf_counter() - started)


def _list_bare(addresses: Addresses, prefix: str) -> float:
    client = boto3.client(
        "s3",
        endpoint_url=addresses.s3,
        region_name=REGION,
        aws_access_key_id=addresses.s3_access_key,
        aws_secret_access_key=addresses.s3_secret_key,
    )
    listing, after, count = Listing(client, BUCKET), "", 0
    started = time.perf_counter()
    while True:
        page = listing.page(prefix, after, limit=250)
        count, after = count + len(page.objects), page.last
        if not page.has_more:
            return count / (time.perf_counter() - started)
