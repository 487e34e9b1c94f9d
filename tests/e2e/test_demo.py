"""A small demo from end to end, checked by its log as a reader sees it."""

from __future__ import annotations

import re
import signal
from pathlib import Path

import pytest

from tests.e2e.exchange_command import family_of, run_exchange, started, still_alive


def figure(output: str, name: str) -> float:
    found = re.search(rf"^\s*{re.escape(name)}\s+([\d,.]+)", output, re.MULTILINE)
    assert found, f"{name} is not in:\n{output}"
    return float(found[1].replace(",", ""))


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="module")
def output(data_dir: Path) -> str:
    demo = run_exchange("demo", "--records", "60", "--data-dir", data_dir)
    assert demo.returncode == 0, demo.stdout + demo.stderr
    return demo.stdout


def test_the_books_of_sixty_people_a_hospital_balance(output: str) -> None:
    assert figure(output, "sent") == 120
    assert figure(output, "unaccounted") == 0
    assert figure(output, "refused") + figure(output, "canonical") + figure(output, "dead letters") == 120
    assert figure(output, "refused") == 9
    assert figure(output, "published (outbox to Kafka)") == figure(output, "accepted") == 111


def test_people_are_linked_by_token_and_strangers_are_not(output: str) -> None:
    assert figure(output, "true pairs") == 60
    assert figure(output, "of which both records were accepted") == 52
    assert figure(output, "linked") == 20
    assert figure(output, "precision") == 100


def test_every_bad_request_is_shown_with_a_4xx(output: str) -> None:
    table = output.partition("bad request  ")[2].partition("  ok ")[0]
    statuses = re.findall(r"^\s+\S.*?\s{2,}(\d{3})\s{2,}\S", table, re.MULTILINE)
    assert len(statuses) == 20, table
    assert all(status.startswith("4") for status in statuses)


def test_every_check_is_shown_and_held(output: str) -> None:
    assert len(re.findall(r"^  ok   ", output, re.MULTILINE)) >= 11
    assert "FAIL" not in output
    assert "The books balance" in output


def test_a_log_has_no_control_characters(output: str) -> None:
    assert not re.search(r"[\x00-\x08\x0b-\x1f]", output)


def test_nothing_of_the_demo_is_left(output: str, data_dir: Path) -> None:
    assert output
    assert not list(data_dir.iterdir())


def test_an_interrupted_demo_stops_what_it_started_and_leaves_nothing(tmp_path: Path) -> None:
    with started("demo", "--records", "60", "--data-dir", tmp_path) as demo:
        assert demo.stdout is not None
        # The second phase begins when the demo's own system is ready.
        assert any(line.startswith("2  ") for line in demo.stdout)
        family = family_of(demo.pid)
        assert len(family) > 5
        demo.send_signal(signal.SIGINT)
        demo.communicate(timeout=60)
    assert demo.returncode != 0
    assert not still_alive(family)
    assert not list(tmp_path.iterdir())
