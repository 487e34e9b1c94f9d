from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.embedded import BackgroundStack, S3Endpoint
from integration.running import Broker, Running, running

# The tests that keep records in a bucket borrow SeaweedFS from the repository's embedded stack.
from tests.conftest import s3_client, stack, stack_config  # noqa: F401


@pytest.fixture(scope="session")
def runner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("runner") / "output.txt") as started:
        yield started


@pytest.fixture(scope="session")
def edges(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """The application of edge cases, with short time-outs."""
    output = tmp_path_factory.mktemp("edges") / "output.txt"
    options = ("--no-prestart", "--init-timeout=1", "--integration-timeout=1", "--concurrency=2")
    with running(output, *options, template="edges.yaml") as started:
        yield started


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    started = Broker(tmp_path_factory.mktemp("broker"))
    yield started
    started.stop()


@pytest.fixture(scope="session")
def kafka_brokers(broker: Broker) -> str:
    return broker.address


@pytest.fixture(scope="session")
def s3(stack: BackgroundStack) -> S3Endpoint:  # noqa: F811
    return stack.endpoints.s3


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory, broker: Broker) -> Iterator[Running]:
    """An application in the style of SAM's own examples, run unchanged."""
    output = tmp_path_factory.mktemp("store") / "output.txt"
    template = str(Path(__file__).parent / "store" / "template.yaml")
    apis = "StoreApi StoreHttpApi ServerlessHttpApi"
    broker.create("store-orders")
    with running(
        output, "--no-prestart", template=template, apis=apis, KafkaBootstrapServers=broker.address
    ) as started:
        yield started
