"""The local runner compared with `sam local start-api --warm-containers EAGER`, by the same requests in one run."""

from __future__ import annotations

import asyncio
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

import uvloop

from infra.cli.commands.up import EXAMPLE_BODY
from infra.system.addresses import Addresses, free_port
from infra.system.local_tokens import sign_token
from tests.bench.load import Load, get, post, send_all
from tests.bench.report import Figure, print_figures
from tests.bench.serving import serve
from tests.sam import docker_engine, own_services, sam_cli
from tests.sam.sam_cli import Sam

# SAM's containers reach the services over Docker's bridge, which bears little load: as few requests to ingest as
# are meaningful.
WARM_UP = 5
# A connection to a container that has to be retried delays all clients for the second that TCP waits: the median
# round has none.
ROUNDS = 5
ANSWER_SECONDS = 60


@dataclass(frozen=True)
class Route:
    """A route to measure: the number of requests to either side by number of clients, and the goal at eight of them."""

    name: str
    ours: dict[int, int]
    theirs: dict[int, int]
    goal: float
    make: Callable[[Addresses, int], list[bytes]]
    status: int


def _health_checks(_: Addresses, count: int) -> list[bytes]:
    return [get("/healthz")] * count


def _records(addresses: Addresses, count: int) -> list[bytes]:
    """Return requests with a real token and different keys, so that each makes another record."""
    headers = {
        "Authorization": f"Bearer {sign_token(addresses.jwt_secret, 'partnerA')}",
        "Content-Type": "application/json",
    }
    keys = [uuid.uuid4().hex for _ in range(count)]
    return [post("/v1/ingest", EXAMPLE_BODY.encode(), {**headers, "Idempotency-Key": key}) for key in keys]


ROUTES = (
    Route("GET /healthz", {1: 4_000, 8: 10_000}, {1: 200, 8: 600}, 40, _health_checks, 200),
    Route("POST /v1/ingest", {1: 1_000, 8: 2_500}, {1: 100, 8: 250}, 8, _records, 202),
)


def main() -> None:
    """Measure both sides in turns, so that the machine is the same; mark missed goals."""
    why = sam_cli.missing() or docker_engine.missing()
    if why is not None:
        raise SystemExit(f"not run: {why}")
    print("Starting both …", flush=True)
    with serve(sources=False) as ours, _start_api() as (url, jwt_secret):
        theirs = replace(ours, ingest=url, jwt_secret=jwt_secret)
        figures = [figure for route in ROUTES for figure in _compare(route, ours, theirs)]
    print_figures("The local runner : sam local start-api, requests a second and p50", figures)


def _compare(route: Route, ours: Addresses, theirs: Addresses) -> Iterator[Figure]:
    print(f"{route.name} …", flush=True)
    _send_kept(ours, route, 8, 400)
    _send_one_by_one(theirs, route, 1, WARM_UP)
    for clients, count in route.ours.items():
        ours_in_rounds, theirs_in_rounds = [], []
        for _ in range(ROUNDS):
            ours_in_rounds.append(_send_kept(ours, route, clients, count // ROUNDS))
            theirs_in_rounds.append(_send_one_by_one(theirs, route, clients, route.theirs[clients] // ROUNDS))
        here, there = _middle(ours_in_rounds), _middle(theirs_in_rounds)
        yield Figure(
            f"{route.name}, {clients} client{'s' * (clients > 1)}",
            here.per_second / there.per_second,
            "×",
            route.goal if clients == 8 else None,
            beside=" : ".join(
                f"{load.per_second:,.0f}/s {load.percentile_ms(0.5):,.1f} ms" for load in (here, there)
            ),
        )


def _middle(loads: list[Load]) -> Load:
    return sorted(loads, key=lambda load: load.per_second)[len(loads) // 2]


def _send_kept(to: Addresses, route: Route, clients: int, count: int) -> Load:
    prepared = iter(route.make(to, count))
    return uvloop.run(
        send_all(to.ingest, prepared, clients=clients, accept=lambda status: status == route.status)
    )


def _send_one_by_one(to: Addresses, route: Route, clients: int, count: int) -> Load:
    """Send each request on a new connection, since start-api closes it after each answer."""
    address = urlsplit(to.ingest)
    waiting, latencies_seconds = iter(route.make(to, count)), list[float]()

    async def client() -> None:
        for request in waiting:
            sent_at = time.perf_counter()
            reader, writer = await asyncio.open_connection(address.hostname, address.port)
            writer.write(request)
            answer = await asyncio.wait_for(reader.read(-1), ANSWER_SECONDS)
            writer.close()
            latencies_seconds.append(time.perf_counter() - sent_at)
            if int(answer[9:12]) != route.status:
                raise RuntimeError(f"refused: {answer[:300]!r}")

    async def all_clients() -> None:
        await asyncio.gather(*(client() for _ in range(clients)))

    started = time.perf_counter()
    uvloop.run(all_clients())
    return Load(sorted(latencies_seconds), time.perf_counter() - started)


@contextmanager
def _start_api() -> Iterator[tuple[str, str]]:
    """Run start-api with warm containers on its own services; yield its URL and its issuer's secret."""
    with tempfile.TemporaryDirectory(prefix="exchange-bench-sam-") as folder:
        sam = Sam(Path(folder))
        try:
            with own_services.serve(sam, free_port()) as process:
                sam.build()
                parameters = own_services.wait_ready(sam, process).parameters
                with sam.serve("start-api") as server:
                    yield server.wait_ready(), parameters["JwtSecret"]
        finally:
            docker_engine.remove_containers_of(sam.folder)


if __name__ == "__main__":
    main()
