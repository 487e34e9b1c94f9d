"""Services that containers can reach, SAM's build of the template, and its two servers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from infra.system.addresses import free_port
from tests.sam import docker_engine, own_services, sam_cli
from tests.sam.own_services import Services
from tests.sam.sam_cli import Sam


@pytest.fixture(scope="session", autouse=True)
def engine() -> None:
    """Skip the tests of this folder if SAM's containers cannot run."""
    why = sam_cli.missing() or docker_engine.missing()
    if why is not None:
        pytest.skip(f"not run: {why}")


@pytest.fixture(scope="session")
def lambda_port(engine: None) -> int:
    return free_port()


@pytest.fixture(scope="session")
def working(tmp_path_factory: pytest.TempPathFactory, lambda_port: int) -> Iterator[tuple[Sam, Services]]:
    sam = Sam(tmp_path_factory.mktemp("sam"))
    try:
        with own_services.serve(sam, lambda_port) as process:
            sam.build()
            yield sam, own_services.wait_ready(sam, process)
    finally:
        docker_engine.remove_containers_of(sam.folder)


@pytest.fixture(scope="session")
def sam(working: tuple[Sam, Services]) -> Sam:
    """Return SAM in a folder where the template is built and services run."""
    return working[0]


@pytest.fixture(scope="session")
def services(working: tuple[Sam, Services]) -> Services:
    return working[1]


@pytest.fixture(scope="session")
def servers(sam: Sam, lambda_port: int) -> Iterator[tuple[str, str]]:
    """Start both servers at once, since most of their start is spent waiting for the engine."""
    with sam.serve("start-api") as api, sam.serve("start-lambda", lambda_port) as functions:
        yield api.wait_ready(), functions.wait_ready()


@pytest.fixture(scope="session")
def start_api(servers: tuple[str, str]) -> str:
    return servers[0]


@pytest.fixture(scope="session")
def start_lambda(servers: tuple[str, str]) -> str:
    return servers[1]
