"""Events per second from the outbox, compared with a bare producer on the same broker."""

from __future__ import annotations

import json
import time
from urllib.request import Request, urlopen

from kafka import KafkaProducer

from infra.system.addresses import Addresses
from tests.bench.report import Figure
from tests.bench.serving import query

EVENTS = 20_000
TOPIC = "record.ingested.v2"
# As large as a real event.
FILL = """
INSERT INTO outbox_events (shard, topic, key, value)
SELECT n %% 16, %s, 'bench-' || n, convert_to(rpad('{"bench": ' || n, 620, ' ') || '}', 'UTF8')
FROM generate_series(1, %s) AS n
"""


def measure(addresses: Addresses) -> list[Figure]:
    """Measure OutboxPublishFunction on a full outbox, then a producer that only produces."""
    _publish(addresses)
    query(addresses, FILL, TOPIC, EVENTS)
    started = time.perf_counter()
    report = _publish(addresses)
    per_second = report["published"] / (time.perf_counter() - started)
    if report["published"] != EVENTS:
        raise RuntimeError(f"published {report['published']} of {EVENTS}")
    bare_per_second = _produce_bare(addresses)
    return [
        Figure(
            "publish: share of bare",
            per_second / bare_per_second,
            "×",
            0.5,
            beside=f"{per_second:,.0f}/s of {bare_per_second:,.0f}/s bare producer",
        ),
        Figure("publish", per_second, "events/s", 5_000, beside="broker in memory"),
    ]


def _publish(addresses: Addresses) -> dict[str, int]:
    url = f"{addresses.lambda_}/2015-03-31/functions/OutboxPublishFunction/invocations"
    with urlopen(Request(url, data=b"{}", method="POST"), timeout=90) as answer:
        report: dict[str, int] = json.loads(answer.read())
    return report


def _produce_bare(addresses: Addresses) -> float:
    producer = KafkaProducer(bootstrap_servers=addresses.kafka_brokers, acks="all", batch_size=256 * 1024)
    value = b'{"bench": true' + b" " * 605 + b"}"
    producer.send(TOPIC, key=b"warm", value=value).get(timeout=30)
    started = time.perf_counter()
    futures = [producer.send(TOPIC, key=b"bench-%d" % n, value=value) for n in range(EVENTS)]
    for future in futures:
        future.get(timeout=60)
    per_second = EVENTS / (time.perf_counter() - started)
    producer.close()
    return per_second
