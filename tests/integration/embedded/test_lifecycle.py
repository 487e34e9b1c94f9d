from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from infra.embedded import (
    AlreadyRunning,
    BackgroundStack,
    PortTaken,
    ServiceFailed,
    ServiceState,
    StackConfig,
)

from .conftest import ConfigMaker
from .stores import BUCKET, STORES, TOPIC

PATIENCE_SECONDS = 90.0
FamilyFinder = Callable[[BackgroundStack], list[psutil.Process]]


def test_a_restart_keeps_ports_secrets_and_data_and_a_stop_leaves_no_process(
    make_config: ConfigMaker, family_of: FamilyFinder
) -> None:
    config = make_config(buckets=(BUCKET,), topics={TOPIC: 1}, broker_storage="s3")
    with BackgroundStack(config) as first:
        before = first.endpoints
        family = family_of(first)
        for name, kind in STORES.items():
            store = kind(before)
            assert store.write(f"kept-by-{name}")
            store.close()
    assert not [process for process in family if is_alive(process)]
    assert first.status() == ()

    with BackgroundStack(config) as second:
        assert second.endpoints == before
        kept = {name: {f"kept-by-{name}"} for name in STORES}
        wait_until(lambda: {name: kind(before).read() for name, kind in STORES.items()} == kept)


def test_two_stacks_side_by_side_are_ready_and_on_loopback_only(
    make_config: ConfigMaker, family_of: FamilyFinder
) -> None:
    with (
        BackgroundStack(make_config("one", broker_storage="memory")) as one,
        BackgroundStack(make_config("two", broker_storage="memory")) as two,
    ):
        for stack in (one, two):
            assert [status.state for status in stack.status()] == [ServiceState.READY] * 3
            pids = {process.pid for process in family_of(stack)}
            ports = {status.port for status in stack.status()}
            # checked by port, too: the kernel may hide a socket's owner when a service runs as another user
            listening = [
                address
                for connection in psutil.net_connections(kind="inet")
                if connection.status == psutil.CONN_LISTEN and (address := connection.laddr)
                if connection.pid in pids or address.port in ports
            ]
            assert {address.ip for address in listening} == {"127.0.0.1"}
            assert ports <= {address.port for address in listening}
        assert len({status.port for stack in (one, two) for status in stack.status()}) == 6


def test_secrets_are_readable_by_their_owner_alone(stack: BackgroundStack, stack_config: StackConfig) -> None:
    kept = stack_config.data_dir / "secrets.json"
    assert json.loads(kept.read_text())["postgres_password"] == stack.endpoints.postgres.password
    assert kept.stat().st_mode & 0o777 == 0o600


def test_a_directory_in_use_is_refused_with_the_pid_of_its_holder(
    stack: BackgroundStack, stack_config: StackConfig
) -> None:
    with pytest.raises(AlreadyRunning, match=f"process {os.getpid()};"):
        BackgroundStack(stack_config).start()
    assert [status.state for status in stack.status()] == [ServiceState.READY] * 3


@pytest.mark.parametrize("taken_by", ["the port itself", "its gRPC twin"])
def test_a_port_asked_for_by_number_is_refused_when_taken(make_config: ConfigMaker, taken_by: str) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1] - (10_000 if taken_by == "its gRPC twin" else 0)
        with pytest.raises(PortTaken, match=f"port {port}, asked for by s3"):
            BackgroundStack(make_config(s3_port=port)).start()


def test_a_service_that_cannot_start_is_named_with_its_log_and_nothing_is_left(
    make_config: ConfigMaker,
) -> None:
    config = make_config()
    cluster = config.data_dir / "postgres"
    cluster.mkdir(parents=True, mode=0o700)
    (cluster / "PG_VERSION").write_text("9\n")
    with pytest.raises(ServiceFailed, match=rf"^postgres ended .* see {config.log_dir}/postgres\.log$"):
        BackgroundStack(config).start()
    # Found by their folder, since other stacks of this process start and stop children meanwhile.
    assert not [process for process in psutil.process_iter() if works_below(config.data_dir, process)]


def test_the_program_prints_its_endpoints_and_ends_with_ctrl_c(make_config: ConfigMaker) -> None:
    config = make_config()
    program = run_alone(config.data_dir)
    try:
        printed = [program.stdout.readline() for _ in range(4)] if program.stdout else []
        family = psutil.Process(program.pid).children(recursive=True)
    finally:
        program.send_signal(signal.SIGINT)
        program.communicate(timeout=60)
    assert [line.split()[0] for line in printed] == ["postgres", "s3", "kafka", "secrets"]
    secrets = json.loads(Path(printed[3].split()[1]).read_text())
    assert not [secret for secret in secrets.values() if secret in "".join(printed)]
    assert program.returncode == 0
    assert family
    assert not [process for process in family if is_alive(process)]


def run_alone(data_dir: Path) -> subprocess.Popen[str]:
    ports = [argument for name in ("postgres", "s3", "kafka") for argument in (f"--{name}-port", "0")]
    command = [sys.executable, "-m", "infra.embedded", "--data-dir", str(data_dir), *ports]
    root = Path(__file__).parents[3]
    return subprocess.Popen(
        [*command, "--topic", f"{TOPIC}:1", "--bucket", BUCKET], stdout=-1, text=True, cwd=root
    )


def is_alive(process: psutil.Process) -> bool:
    """Tell whether a process is alive; a zombie counts as dead."""
    with suppress(psutil.NoSuchProcess):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def works_below(folder: Path, process: psutil.Process) -> bool:
    with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
        return Path(process.cwd()).is_relative_to(folder)
    return False


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.02)
