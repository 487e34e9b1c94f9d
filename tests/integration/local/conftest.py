from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.integration.local.running import Broker, Running, running


@pytest.fixture(scope="session")
def runner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("runner") / "output.txt") as started:
        yield started


@pytest.fixture(scope="session")
def edges(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """The application of edge cases, with time-outs short enough to wait for."""
    output = tmp_path_factory.mktemp("edges") / "output.txt"
    options = ("--no-prestart", "--init-timeout=1", "--integration-timeout=1")
    with running(output, *options, template="edges.yaml") as started:
        yield started


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    started = Broker(tmp_path_factory.mktemp("broker"))
    yield started
    started.stop()
