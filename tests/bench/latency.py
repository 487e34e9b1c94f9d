"""The latency from the 202 at the client to the commit of the canonical row, at low load."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from urllib.parse import urlsplit

from infra.system.addresses import Addresses
from tests.bench.records import requests
from tests.bench.report import Figure
from tests.bench.serving import query

REQUESTS = 80
PERIOD_SECONDS = 0.15
FINISHED = "SELECT record_id::text, extract(epoch FROM finished_at)::float FROM processing_stage_state"


def measure(addresses: Addresses) -> list[Figure]:
    """Measure one request at a time, PERIOD_SECONDS apart; both times are by this machine's clock."""
    accepted_at = asyncio.run(_send_slowly(addresses))
    time.sleep(2)
    finished_at = dict(query(addresses, FINISHED))
    latencies_ms = sorted((finished_at[record] - at) * 1000 for record, at in accepted_at.items())
    return [
        Figure("202 → canonical, p50", latencies_ms[len(latencies_ms) // 2], "ms", 150, at_most=True),
        Figure("202 → canonical, p95", latencies_ms[int(len(latencies_ms) * 0.95)], "ms"),
    ]


async def _send_slowly(addresses: Addresses) -> dict[str, float]:
    address = urlsplit(addresses.ingest)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    accepted_at = {}
    for request in requests(addresses, uuid.uuid4().hex[:12], REQUESTS):
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        answer = json.loads(await reader.readexactly(length))
        accepted_at[answer["record_id"]] = time.time()
        await asyncio.sleep(PERIOD_SECONDS)
    writer.close()
    return accepted_at
