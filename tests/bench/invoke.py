"""The overhead of an invocation over its handler."""

from __future__ import annotations

import importlib.util
import os
import time
from itertools import repeat

import uvloop

from infra.system.addresses import Addresses
from infra.system.layout import ROOT
from tests.bench.load import get, post, send_all
from tests.bench.report import Figure

EVENT = b'{"profile":"v1","people":[],"identifiers":[]}'
INVOKES = 2_000


def measure(addresses: Addresses) -> list[Figure]:
    """Measure an empty batch of tokenize through the Lambda API, less the same handler called in this process."""
    request = post("/2015-03-31/functions/TokenizeFunction/invocations", EVENT, {})
    warm = send_all(addresses.lambda_, repeat(request, 100), clients=1, accept=lambda s: s == 200)
    uvloop.run(warm)
    load = uvloop.run(
        send_all(addresses.lambda_, repeat(request, INVOKES), clients=1, accept=lambda s: s == 200)
    )
    handler_ms = _time_handler()
    health = [
        uvloop.run(
            send_all(
                addresses.ingest, repeat(get("/healthz"), INVOKES), clients=clients, accept=lambda s: s == 200
            )
        )
        for clients in (1, 8, 8)
    ]
    return [
        Figure(
            "invoke above its handler, p50",
            load.percentile_ms(0.5) - handler_ms,
            "ms",
            1.0,
            at_most=True,
            beside=f"{load.percentile_ms(0.5):.2f} ms whole, {handler_ms:.2f} ms handler",
        ),
        Figure(
            "GET /healthz, 1 client",
            health[0].per_second,
            "requests/s",
            beside=f"p50 {health[0].percentile_ms(0.5):.2f} ms",
        ),
        Figure(
            "GET /healthz, 8 clients",
            health[2].per_second,
            "requests/s",
            beside=f"p50 {health[2].percentile_ms(0.5):.2f} ms",
        ),
    ]


def _time_handler() -> float:
    os.environ |= {"ENV": "local", "TOKENIZER_HMAC_SECRET": "bench", "AWS_LAMBDA_FUNCTION_NAME": "bench"}
    spec = importlib.util.spec_from_file_location("tokenize_app", ROOT / "functions" / "tokenize" / "app.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    event = {"profile": "v1", "people": [], "identifiers": []}
    samples = []
    for _ in range(INVOKES):
        started = time.perf_counter()
        module.handler(event, None)
        samples.append(time.perf_counter() - started)
    return sorted(samples)[INVOKES // 2] * 1000
