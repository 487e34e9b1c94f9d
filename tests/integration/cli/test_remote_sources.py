"""Schedules and Kafka sources that invoke functions elsewhere, as `exchange sources` does for `sam local`."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from infra.cli.clients.remote_invoker import RemoteInvoker
from integration.running import APPLICATION, Broker, running
from sam_offline import EventSources, FunctionUnreachable


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    started = Broker(tmp_path_factory.mktemp("broker"))
    yield started
    started.stop()


def run_sources(
    endpoint: str, parameters: dict[str, str], holds: Callable[[], bool], said: list[str] | None = None
) -> None:
    """Run the application's sources against a Lambda endpoint until `holds` returns True."""

    async def scenario() -> None:
        async with RemoteInvoker(endpoint) as invoker:
            sources = EventSources.of_template(
                APPLICATION / "template.yaml",
                parameters,
                "us-east-1",
                invoker,
                (said if said is not None else []).append,
                aws_environment={},
            )
            sources.start()
            async with asyncio.timeout(60):
                while not await asyncio.to_thread(holds):
                    await asyncio.sleep(0.05)
            await sources.stop(10)
            sources.queue.cancel()

    asyncio.run(scenario())


def test_a_schedule_and_a_topic_reach_functions_behind_a_lambda_endpoint(
    broker: Broker, tmp_path: Path
) -> None:
    journal, topic = tmp_path / "journal.jsonl", "remote-orders"
    broker.create(topic)
    broker.produce(topic, ["a", "fails-1", "b"])
    parameters = {"ReadsKafka": "true", "Brokers": broker.address, "OrdersTopic": topic}
    with running(tmp_path / "output.txt", "--no-sources", "--no-prestart", Greeting=str(journal)) as runner:

        def is_done() -> bool:
            delivered = journal.exists() and len(journal.read_text().splitlines()) == 4
            return delivered and bool(runner.remembered())

        run_sources(runner.endpoints["lambda"], parameters, is_done)
        values = [json.loads(line)["value"] for line in journal.read_text().splitlines()]
        assert values == ["a", "fails-1", "fails-1", "b"]
        assert runner.remembered() == [{"ticks": 1}]


def test_an_endpoint_that_is_away_is_unreachable_and_not_a_failed_function() -> None:
    async def invoke() -> None:
        async with RemoteInvoker("http://127.0.0.1:9") as invoker:
            await invoker.invoke("Orders", b"{}")

    with pytest.raises(FunctionUnreachable):
        asyncio.run(invoke())
