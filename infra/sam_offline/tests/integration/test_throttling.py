from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from integration.running import Running, running, wait_until


@pytest.fixture(scope="module")
def throttling(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    output: Path = tmp_path_factory.mktemp("throttling") / "output.txt"
    options = ("--throttle", "--concurrency=2", "--no-prestart", "--no-sources")
    with running(output, *options, template="edges.yaml") as started:
        yield started


def test_an_invoke_beyond_the_runners_own_limit_is_refused_where_throttling_is_asked_for(
    throttling: Running, tmp_path: Path
) -> None:
    end = tmp_path / "end"
    with ThreadPoolExecutor(2) as threads:
        held = {"until": str(end)}
        sleeping = [threads.submit(throttling.result, "QueueingFunction", held) for _ in range(2)]
        wait_until(lambda: throttling.at_work("QueueingFunction") == (2, 0))
        with pytest.raises(ClientError) as refusal:
            throttling.invoke("QueueingFunction", {"seconds": 0})
        end.touch()
        assert all(future.result()["pid"] for future in sleeping)
    assert refusal.value.response["Error"]["Code"] == "TooManyRequestsException"
    assert refusal.value.response["Reason"] == "ConcurrentInvocationLimitExceeded"
    assert throttling.result("QueueingFunction", {"seconds": 0})["pid"]


def test_an_asynchronous_invoke_beyond_the_limit_runs_later(throttling: Running) -> None:
    with ThreadPoolExecutor(1) as thread:
        sleeping = thread.submit(throttling.invoke, "RememberFunction", {"seconds": 2})
        wait_until(lambda: throttling.at_work("RememberFunction") == (1, 0))
        throttling.invoke("RememberFunction", {"later": True}, InvocationType="Event")
        sleeping.result()
    wait_until(lambda: {"later": True} in throttling.remembered())
