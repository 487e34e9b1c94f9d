"""The speed of the local runner itself, with functions that do nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import repeat
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import uvloop

from infra.system.addresses import Addresses
from infra.system.layout import ROOT
from tests.bench.load import Load, get, post, send_all
from tests.bench.report import Figure
from tests.bench.serving import BUILD_DIR

TEMPLATE = Path(__file__).parent / "application" / "template.yaml"
ENVIRONMENTS = 100
COUNTS = {1: 3_000, 8: 12_000}
START_TIMEOUT_SECONDS = 120


def measure() -> list[Figure]:
    """Measure empty requests through an API, alone and beside a hundred busy environments."""
    with _serve() as endpoints:
        _send(endpoints, 8)
        one, eight = _send(endpoints, 1), _send(endpoints, 8)
        with _busy_environments(endpoints):
            crowded = _send(endpoints, 8)
        again = _send(endpoints, 8)
    alone = (eight.per_second + again.per_second) / 2
    return [
        Figure(
            "empty request, 8 clients",
            eight.per_second,
            "requests/s",
            2_700,
            beside=f"p50 {eight.percentile_ms(0.5):.2f} ms, p99 {eight.percentile_ms(0.99):.2f} ms",
        ),
        Figure(
            "empty request, 1 client, p50",
            one.percentile_ms(0.5),
            "ms",
            0.8,
            at_most=True,
            beside=f"{one.per_second:,.0f}/s, p99 {one.percentile_ms(0.99):.2f} ms",
        ),
        Figure(
            f"the same beside {ENVIRONMENTS} environments",
            crowded.per_second / alone,
            "× alone",
            0.9,
            beside=f"{crowded.per_second:,.0f}/s of {alone:,.0f}/s, 8 clients, all {ENVIRONMENTS} in flight",
        ),
    ]


def measure_start(addresses: Addresses) -> Figure:
    """Return the time from ready services to a warm environment of every function, with layers built before."""
    status = _read(f"{addresses.admin}/status")
    functions = len(status["functions"])
    return Figure(
        f"start of all {functions} functions",
        status["start_seconds"],
        "s",
        2,
        at_most=True,
        beside="layers built",
    )


@contextmanager
def _serve() -> Iterator[dict[str, str]]:
    with tempfile.TemporaryDirectory(prefix="runner-bench-") as folder:
        command = [sys.executable, "-m", "sam_offline", "--template", str(TEMPLATE), "--state-dir", folder]
        command += ["--build-dir", str(BUILD_DIR), "--lambda-port=0", "--admin-port=0", "--api-port=Api=0"]
        output = Path(folder) / "output.txt"
        with output.open("wb") as file:
            process = subprocess.Popen(command, cwd=ROOT, stdout=file)
        try:
            deadline = time.monotonic() + START_TIMEOUT_SECONDS
            while "\nApi " not in output.read_text():
                if process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError("the runner did not start")
                time.sleep(0.05)
            words = (line.split() for line in output.read_text().splitlines())
            yield {name: url for name, url in words if url.startswith("http:")}
        finally:
            process.terminate()
            process.wait(60)


def _send(endpoints: dict[str, str], clients: int) -> Load:
    requests = repeat(get("/empty"), COUNTS[clients])
    return uvloop.run(send_all(endpoints["Api"], requests, clients=clients, accept=lambda s: s == 204))


@contextmanager
def _busy_environments(endpoints: dict[str, str]) -> Iterator[None]:
    """Keep environments busy, with invocations that wait for a named pipe, until the block ends."""
    with tempfile.TemporaryDirectory(prefix="runner-bench-") as folder:
        pipe = Path(folder) / "pipe"
        os.mkfifo(pipe)
        request = post(
            "/2015-03-31/functions/WaitingFunction/invocations", json.dumps({"pipe": str(pipe)}).encode(), {}
        )
        waits = send_all(
            endpoints["lambda"],
            repeat(request, ENVIRONMENTS),
            clients=ENVIRONMENTS,
            accept=lambda s: s == 200,
        )
        thread = threading.Thread(target=uvloop.run, args=(waits,))
        thread.start()
        while _busy(endpoints) < ENVIRONMENTS:
            time.sleep(0.2)
        try:
            yield
        finally:
            while thread.is_alive():
                # Each opening releases the invocations that wait at that moment; it fails if there are none.
                with suppress(OSError):
                    os.close(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK))
                thread.join(0.2)


def _busy(endpoints: dict[str, str]) -> int:
    state = _read(f"{endpoints['admin']}/status")["functions"]["WaitingFunction"]
    return 0 if state["waiting"] else int(state["environments"] - state["idle"])


def _read(url: str) -> Any:
    with urlopen(url, timeout=10) as answer:
        return json.load(answer)
