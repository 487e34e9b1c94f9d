from __future__ import annotations

import gc
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psutil
import pytest
from kafka import KafkaAdminClient

from infra.embedded import BackgroundStack, ServiceState, StackConfig
from infra.embedded.leftovers import ProcessLedger
from infra.embedded.process_reference import started_ticks

from .conftest import ConfigMaker
from .stores import BUCKET, STORES, TOPIC, Store
from .test_lifecycle import PATIENCE_SECONDS, is_alive, run_alone, wait_until

ENOUGH = 300


@pytest.fixture(scope="module")
def kept_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BackgroundStack]:
    """Yield a stack whose broker keeps its log in S3, as in everyday use."""
    directory = tmp_path_factory.mktemp("kept")
    config = StackConfig(
        directory / "data",
        directory / "logs",
        buckets=(BUCKET,),
        topics={TOPIC: 1},
        broker_storage="s3",
        postgres_port=0,
        s3_port=0,
        kafka_port=0,
    )
    with BackgroundStack(config) as stack:
        yield stack


# kafka-python drops the socket of a connection that fails while connecting, without closing it
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(
    ("killed", "written"), [("postgres", "postgres"), ("s3", "s3"), ("kafka", "kafka"), ("s3", "kafka")]
)
def test_nothing_acknowledged_is_lost_when_a_service_is_killed_under_writes(
    kept_stack: BackgroundStack, killed: str, written: str
) -> None:
    port, pid, restarts = look_at(kept_stack, killed)
    is_killed = False
    store: Store = STORES[written](kept_stack.endpoints)
    acknowledged: set[str] = set()
    deadline = time.monotonic() + PATIENCE_SECONDS
    number = 0
    while len(acknowledged) < ENOUGH and time.monotonic() < deadline:
        number += 1
        value = f"{killed}-killed-{number:06}"
        if store.write(value):
            acknowledged.add(value)
        else:
            time.sleep(0.02)
        if len(acknowledged) == ENOUGH // 3 and not is_killed:
            os.kill(pid, signal.SIGKILL)
            is_killed = True
    store.close()
    gc.collect()

    assert len(acknowledged) == ENOUGH, "the service did not come back in time"
    wait_until(lambda: acknowledged <= store.read())
    wait_until_ready(kept_stack)
    new_port, new_pid, new_restarts = look_at(kept_stack, killed)
    assert new_port == port
    # Postgres is started again if its old backends have not gone yet.
    assert new_restarts > restarts
    assert new_pid != pid


def test_a_broker_in_memory_comes_back_with_its_topics(make_config: ConfigMaker) -> None:
    with BackgroundStack(make_config(topics={TOPIC: 3}, broker_storage="memory")) as stack:
        _, pid, _ = look_at(stack, "kafka")
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: look_at(stack, "kafka")[1] not in (0, pid))
        wait_until_ready(stack)
        with closing(KafkaAdminClient(bootstrap_servers=stack.endpoints.kafka_brokers)) as admin:
            assert admin.list_topics() == [TOPIC]


def test_services_die_with_a_killed_supervisor_and_the_next_one_finds_all_data(tmp_path: Path) -> None:
    first = run_alone(tmp_path / "data")
    if first.stdout is not None:
        first.stdout.readline()
    children = psutil.Process(first.pid).children(recursive=True)
    first.kill()
    first.communicate()
    _, alive = psutil.wait_procs(children, timeout=60)
    assert not [process for process in alive if is_alive(process)]

    second = run_alone(tmp_path / "data")
    printed = second.stdout.readline() if second.stdout is not None else ""
    second.send_signal(signal.SIGTERM)
    second.communicate(timeout=60)
    assert printed.startswith("postgres")
    assert second.returncode == 0


def test_leftovers_are_ended_by_pid_and_start_time_and_nobody_else(tmp_path: Path) -> None:
    leftover = subprocess.Popen(["sleep", "100"], start_new_session=True)
    stranger = subprocess.Popen(["sleep", "100"], start_new_session=True)
    path = tmp_path / "processes.json"
    ProcessLedger(path).record("leftover", leftover.pid, signal.SIGTERM)
    ticks = started_ticks(stranger.pid)
    assert ticks is not None
    # as if its pid had belonged to a service before
    reused = {"name": "s3", "pid": stranger.pid, "started_ticks": ticks - 1, "stop_signal": signal.SIGTERM}
    path.write_text(json.dumps([*json.loads(path.read_text()), reused]))
    try:
        assert ProcessLedger(path).end_leftovers() == ["leftover"]
        assert leftover.wait(timeout=20) == -signal.SIGTERM
        assert stranger.poll() is None
        assert not path.exists()
    finally:
        stranger.kill()
        stranger.wait()


def look_at(stack: BackgroundStack, name: str) -> tuple[int, int, int]:
    """Return the port, pid (0 while there is none) and number of restarts of a service."""
    (status,) = (status for status in stack.status() if status.name == name)
    return status.port, status.pid or 0, status.restarts


def wait_until_ready(stack: BackgroundStack) -> None:
    wait_until(lambda: all(status.state == ServiceState.READY for status in stack.status()))
