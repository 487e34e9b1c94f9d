"""The everyday commands, run as real processes on a system that `exchange up --detach` has started."""

from __future__ import annotations

import json
import signal
import socket
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests

from infra.system.addresses import Addresses
from tests.e2e.exchange_command import (
    family_of,
    interrupt_start,
    on_a_terminal,
    run_exchange,
    started,
    still_alive,
)

BODY: dict[str, Any] = {
    "source": "hospital-a",
    "record_type": "encounter",
    "patient": {"first_name": "Sam", "last_name": "Lee", "dob": "1990-01-01"},
    "payload": {},
}


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("exchange")
    started = run_exchange("up", "--detach", "--any-ports", "--broker-storage=memory", "--data-dir", folder)
    assert started.returncode == 0, started.stderr
    yield folder
    run_exchange("down", "--data-dir", folder)


@pytest.fixture(scope="module")
def addresses(data_dir: Path) -> Addresses:
    found = Addresses.load(data_dir)
    assert found is not None
    return found


def read_status(data_dir: Path) -> Any:
    return json.loads(run_exchange("status", "--json", "--data-dir", data_dir).stdout)


def send(addresses: Addresses, token: str, key: str) -> requests.Response:
    headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": key}
    return requests.post(f"{addresses.ingest}/v1/ingest", json=BODY, headers=headers, timeout=30)


def test_status_shows_every_function_source_and_service(data_dir: Path) -> None:
    shown = run_exchange("status", "--data-dir", data_dir).stdout
    for name in (
        "ingest",
        "tokenize",
        "outbox-publish",
        "normalize",
        "NormalizeFromV2",
        "kafka",
        "s3",
        "postgres",
    ):
        assert name in shown
    state = read_status(data_dir)
    assert state["functions"]["IngestFunction"]["environments"] >= 1
    assert {service["state"] for service in state["services"]} == {"ready"}


def test_status_on_a_terminal_is_looked_at_again_until_ctrl_c(data_dir: Path, addresses: Addresses) -> None:
    with on_a_terminal("status", "--data-dir", data_dir) as terminal:
        terminal.read_until("Nothing needs attention.", "invocations failed")
        requests.get(f"{addresses.ingest}/healthz", timeout=30).raise_for_status()
        # Every refresh begins at the top left of the screen.
        terminal.read_until("\x1b[H")
        terminal.read_until("\x1b[H")
        terminal.interrupt()
        terminal.read_until("postgres")
    assert terminal.exit_code == 0


def test_a_function_that_nobody_called_has_no_lines_and_is_known(data_dir: Path) -> None:
    shown = run_exchange("logs", "erase", "--data-dir", data_dir)
    assert (shown.returncode, shown.stdout) == (0, "")


def test_the_screen_of_a_detached_system_keeps_no_second_copy_of_the_functions_lines(
    data_dir: Path, addresses: Addresses
) -> None:
    requests.get(f"{addresses.ingest}/healthz", timeout=30).raise_for_status()
    assert "START RequestId" in run_exchange("logs", "ingest", "--data-dir", data_dir).stdout
    screen = (data_dir / "logs" / "exchange.log").read_text()
    assert "The exchange is ready." in screen
    assert "RequestId" not in screen


def test_a_service_that_was_killed_shows_its_restart(data_dir: Path) -> None:
    def s3() -> dict[str, Any]:
        return next(service for service in read_status(data_dir)["services"] if service["name"] == "s3")

    before = s3()
    psutil.Process(before["pid"]).kill()
    deadline = time.monotonic() + 90
    while (after := s3())["restarts"] == before["restarts"] or after["state"] != "ready":
        assert time.monotonic() < deadline, after
    assert after["pid"] != before["pid"]


def test_a_token_of_a_partner_is_taken_and_an_expired_one_is_not(
    data_dir: Path, addresses: Addresses
) -> None:
    good = run_exchange("token", "--partner=partnerA", "--data-dir", data_dir).stdout.strip()
    expired = run_exchange("token", "--expires-in=-1h", "--data-dir", data_dir).stdout.strip()
    narrow = run_exchange("token", "--scope=tokenize", "--data-dir", data_dir).stdout.strip()
    assert send(addresses, good, "token-good").status_code == 202
    assert send(addresses, expired, "token-expired").status_code == 401
    assert send(addresses, narrow, "token-narrow").status_code == 403


def test_invoke_prints_the_answer_of_a_function_by_its_short_name(data_dir: Path) -> None:
    asked = run_exchange(
        "invoke", "outbox-publish", "-e", "-", "--data-dir", data_dir, asked='{"linger_seconds": 0}'
    )
    assert asked.returncode == 0, asked.stderr
    assert "published" in json.loads(asked.stdout)


def test_a_paused_source_says_so_until_it_is_resumed(data_dir: Path) -> None:
    assert run_exchange("pause", "NormalizeFromV1", "--data-dir", data_dir).returncode == 0
    state = read_status(data_dir)["event_sources"]
    assert (state["NormalizeFromV1"]["state"], state["NormalizeFromV2"]["state"]) == ("paused", "running")
    assert "paused" in run_exchange("status", "--data-dir", data_dir).stdout
    assert run_exchange("resume", "NormalizeFromV1", "--data-dir", data_dir).returncode == 0
    assert read_status(data_dir)["event_sources"]["NormalizeFromV1"]["state"] == "running"
    unknown = run_exchange("pause", "Nobody", "--data-dir", data_dir)
    assert unknown.returncode != 0
    assert "only NormalizeFromV1, NormalizeFromV2" in unknown.stderr


def test_invoke_reads_an_event_from_a_file(data_dir: Path, tmp_path: Path) -> None:
    event = tmp_path / "event.json"
    event.write_text(json.dumps({"people": [], "identifiers": []}))
    asked = run_exchange("invoke", "TokenizeFunction", "--event", event, "--data-dir", data_dir)
    assert asked.stdout.startswith("{")


def test_a_failing_function_ends_invoke_with_exit_code_1_and_its_log_is_found(data_dir: Path) -> None:
    asked = run_exchange(
        "invoke", "outbox-publish", "-e", "-", "--data-dir", data_dir, asked='{"linger_seconds": -1}'
    )
    assert asked.returncode == 1
    assert "errorType" in json.loads(asked.stdout)
    request_id = asked.stderr.split()[-1]
    found = run_exchange("logs", "--request", request_id, "--data-dir", data_dir).stdout.splitlines()
    assert f"START RequestId: {request_id}" in found[0]
    assert f"REPORT RequestId: {request_id}" in found[-1]
    assert all(request_id in line for line in found)


def test_an_event_that_lambda_refuses_ends_invoke_with_what_it_said(data_dir: Path, tmp_path: Path) -> None:
    event = tmp_path / "event.json"
    event.write_text(json.dumps("x" * 7_000_000))
    asked = run_exchange("invoke", "tokenize", "--event", event, "--data-dir", data_dir)
    assert (asked.returncode, asked.stdout) == (1, "")
    assert asked.stderr.startswith("error: TokenizeFunction cannot be invoked: ")
    assert "RequestEntityTooLarge" in asked.stderr


def test_an_asynchronous_invoke_returns_at_once(data_dir: Path) -> None:
    asked = run_exchange("invoke", "tokenize", "--async", "--data-dir", data_dir)
    assert asked.returncode == 0
    assert asked.stdout.startswith("Queued")


def test_an_unknown_function_is_answered_with_the_names_there_are(data_dir: Path) -> None:
    asked = run_exchange("invoke", "nobody", "--data-dir", data_dir)
    assert asked.returncode == 1
    assert "outbox-publish" in asked.stderr


def test_trigger_fires_a_schedule_now(data_dir: Path) -> None:
    def fired() -> int:
        return sum(schedule["fired"] for schedule in read_status(data_dir)["schedules"].values())

    before = fired()
    assert run_exchange("trigger", "publish-outbox", "--data-dir", data_dir).returncode == 0
    assert fired() > before


def test_logs_show_the_last_lines_of_one_function_or_of_all(data_dir: Path, addresses: Addresses) -> None:
    requests.get(f"{addresses.ingest}/healthz", timeout=30).raise_for_status()
    one = run_exchange("logs", "ingest", "-n", "3", "--data-dir", data_dir).stdout.splitlines()
    assert len(one) == 3
    everything = run_exchange("logs", "--data-dir", data_dir).stdout
    assert "[ingest] " in everything


def test_logs_follow_until_ctrl_c(data_dir: Path, addresses: Addresses) -> None:
    ask = partial(requests.get, f"{addresses.ingest}/healthz", timeout=30)
    ask().raise_for_status()
    with started("logs", "ingest", "-f", "-n", "1", "--data-dir", data_dir) as following:
        assert following.stdout is not None
        # The last old line proves that the command follows; later lines are new.
        following.stdout.readline()
        ask().raise_for_status()
        assert "START RequestId" in following.stdout.readline() + following.stdout.readline()
        following.send_signal(signal.SIGINT)
        following.communicate(timeout=30)
    assert following.returncode == 0


def test_a_second_up_on_the_same_folder_says_who_holds_it(data_dir: Path, addresses: Addresses) -> None:
    second = run_exchange("up", "--any-ports", "--data-dir", data_dir)
    assert second.returncode == 1
    assert f"process {addresses.pid}" in second.stderr
    assert "Traceback" not in second.stderr


@pytest.mark.parametrize("how", [[], ["--detach"]], ids=["in front", "in the background"])
def test_a_taken_port_is_named_with_the_flag_that_changes_it(tmp_path: Path, how: list[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        free = ["--tokenize-port=0", "--lambda-port=0", "--admin-port=0"]
        started = run_exchange("up", *how, f"--ingest-port={port}", *free, "--data-dir", tmp_path)
    assert started.returncode == 1
    assert str(port) in started.stderr
    assert "--ingest-port" in started.stderr
    assert "Traceback" not in started.stdout + started.stderr


@pytest.mark.parametrize(
    "words", [["status"], ["invoke", "ingest"], ["trigger", "publish-outbox"], ["token"]]
)
def test_a_command_without_a_running_exchange_says_how_to_start_one(tmp_path: Path, words: list[str]) -> None:
    asked = run_exchange(*words, "--data-dir", tmp_path)
    assert asked.returncode == 1
    assert "exchange up" in asked.stderr
    assert "Traceback" not in asked.stderr


def test_down_leaves_no_process(data_dir: Path, addresses: Addresses) -> None:
    # The last test of this file, since the system is gone afterwards.
    family = family_of(addresses.pid)
    assert len(family) > 5
    stopped = run_exchange("down", "--data-dir", data_dir)
    assert stopped.returncode == 0, stopped.stderr
    assert not still_alive(family)
    assert "Nothing runs" in run_exchange("down", "--data-dir", data_dir).stdout


def test_ctrl_c_stops_an_exchange_in_front_and_everything_it_started(tmp_path: Path) -> None:
    with started("up", "--any-ports", "--broker-storage=memory", "--data-dir", tmp_path) as running:
        assert running.stdout is not None
        assert any("Ctrl-C stops everything" in line for line in running.stdout)
        family = family_of(running.pid)
        running.send_signal(signal.SIGINT)
        output, _ = running.communicate(timeout=60)
    assert running.returncode == 0
    assert "Nothing is left running" in output
    assert not still_alive(family)


def test_ctrl_c_during_the_start_leaves_nothing_either(tmp_path: Path) -> None:
    exit_code, output, left = interrupt_start(
        "up", "--any-ports", "--broker-storage=memory", "--data-dir", tmp_path
    )
    assert exit_code == 1
    assert "Stopped before it was ready" in output
    assert not left
