"""`exchange replay` and `exchange reconcile` as an operator types them, on a system that has lost data."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from infra.cli.commands.up import EXAMPLE_BODY
from infra.system.addresses import Addresses
from tests.e2e.exchange_command import run_exchange
from tests.e2e.running_system import read_rows

RECORDS = 12
CANONICAL = ("canonical_records", "canonical_encounters", "patient_tokens")
OF_A_RECORD = ("canonical_records", "raw_object_manifest", "processing_stage_state", "processing_attempts")


class Operated:
    """A running exchange with a few canonical records."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        addresses = Addresses.load(data_dir)
        assert addresses is not None
        self.addresses = addresses

    def run(self, *arguments: str) -> tuple[int, str]:
        done = run_exchange(*arguments, "--data-dir", self.data_dir)
        assert done.returncode in (0, 1), done.stderr
        return done.returncode, done.stdout + done.stderr

    def rows(self, sql: str, *parameters: object) -> list[tuple[Any, ...]]:
        return read_rows(self.addresses, sql, *parameters)

    def send(self, number: int) -> None:
        for n in range(number):
            headers = {"Authorization": "Bearer dev", "Idempotency-Key": f"key-of-record-{n:04}"}
            body = json.loads(EXAMPLE_BODY)
            answer = requests.post(
                f"{self.addresses.ingest}/v1/ingest", json=body, headers=headers, timeout=30
            )
            assert answer.status_code == 202
        deadline = time.monotonic() + 60
        while self.rows("SELECT count(*) FROM canonical_records") != [(number,)]:
            assert time.monotonic() < deadline
            time.sleep(0.1)

    def canonical(self) -> list[Any]:
        return [
            self.rows(f"SELECT to_jsonb(t) FROM {table} AS t ORDER BY to_jsonb(t)::text")
            for table in CANONICAL
        ]

    def forget(self, record_id: str) -> None:
        """Delete a record's rows, as if its ingest had crashed between the object and the commit."""
        for table in OF_A_RECORD:
            self.rows(f"DELETE FROM {table} WHERE record_id = %s", record_id)
        self.rows("DELETE FROM outbox_events WHERE key = %s", record_id)
        self.rows("DELETE FROM idempotency_keys WHERE response LIKE %s", f"%{record_id}%")


@pytest.fixture(scope="module")
def operated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operated]:
    folder = tmp_path_factory.mktemp("exchange")
    started = run_exchange("up", "--detach", "--any-ports", "--broker-storage=memory", "--data-dir", folder)
    assert started.returncode == 0, started.stderr
    operated = Operated(folder)
    operated.send(RECORDS)
    yield operated
    run_exchange("down", "--data-dir", folder)


@pytest.fixture
def any_record(operated: Operated) -> str:
    ((record_id,),) = operated.rows("SELECT record_id FROM canonical_records ORDER BY 1 LIMIT 1")
    return str(record_id)


def test_replay_rebuilds_everything_from_the_bucket_and_verifies_it(operated: Operated) -> None:
    before = operated.canonical()
    operated.rows(
        "TRUNCATE raw_object_manifest, idempotency_keys, outbox_events, processing_stage_state,"
        " processing_attempts, dead_letters, canonical_records CASCADE"
    )
    code, told = operated.run("replay", "--verify", "--shards=2")
    assert code == 0, told
    assert "Complete: nothing is missing." in told
    assert told.count("done") == 4
    assert operated.canonical() == before
    assert operated.rows("SELECT count(*) FROM raw_object_manifest") == [(RECORDS,)]


def test_a_gap_ends_the_command_with_exit_code_1(operated: Operated, any_record: str) -> None:
    before = operated.canonical()
    operated.rows("DELETE FROM canonical_records WHERE record_id = %s", any_record)
    code, told = operated.run("replay", "--dry-run", "--verify", "--wait=0")
    assert code == 1, told
    assert told.endswith("1 raw objects are not canonical; exchange reconcile --all names them\n")
    code, told = operated.run("replay", "--verify", "--json", "--since=24h", "--rate-per-sec=1000")
    assert code == 0, told
    report = json.loads(told)
    assert report["replay"]["counts"]["emitted"] == report["verify"]["counts"]["canonical"] == RECORDS
    assert operated.canonical() == before


def test_reconcile_names_an_orphan_then_mends_and_proves_it(operated: Operated, any_record: str) -> None:
    before = operated.canonical()
    operated.forget(any_record)
    code, told = operated.run("reconcile", "--since=24h", "--grace=0")
    assert (code, "orphan_raw" in told, any_record in told) == (1, True, True), told
    code, told = operated.run("reconcile", "--since=24h", "--grace=0", "--repair", "--json")
    assert code == 0, told
    report = json.loads(told)
    assert report["counts"]["repaired_orphan_raw"] == 1
    assert report["open_findings"] == {}
    # Without a grace period, its event that is in flight again may be found, too.
    found = {finding["finding"]: finding for finding in report["findings"]}
    assert {finding["record_id"] for finding in found.values()} == {any_record}
    assert found["orphan_raw"]["repaired_at"] and found["orphan_raw"]["resolved_at"]
    assert operated.canonical() == before
    code, told = operated.run("reconcile", "--all", "--grace=0", "--check-hashes")
    assert (code, "Bucket and tables agree." in told) == (0, True), told


def test_what_cannot_be_is_refused_with_the_field(operated: Operated) -> None:
    assert operated.run("replay", "--shards=3")[1].startswith("error: --shards")
    code, told = operated.run("replay", "--since=tomorrow")
    assert (code, "--since" in told) == (1, True)
    code, told = operated.run("replay", "--source=a/b")
    assert (code, "source: must be" in told) == (1, True)
    code, told = operated.run("replay", "--dry-run", "--job=5573a23f-05d6-4b02-9aff-4998ee4f6ac3")
    assert (code, told.startswith("error: --dry-run does not go with --job")) == (1, True)
    code, told = operated.run("reconcile", "--all", "--since=24h")
    assert (code, told.startswith("error: --since does not go with --all")) == (1, True)


@pytest.mark.parametrize("command", ["replay", "reconcile"])
def test_a_job_that_nobody_knows_is_refused_and_no_advice_is_given(operated: Operated, command: str) -> None:
    code, told = operated.run(command, "--job=5573a23f-05d6-4b02-9aff-4998ee4f6ac3")
    function = f"{command.title()}Function"
    assert (code, told) == (1, f"error: {function}: shard: is not a shard of a known job\n")


def test_a_source_that_is_misspelt_proves_nothing(operated: Operated) -> None:
    for command in (("replay", "--dry-run", "--verify"), ("reconcile", "--all")):
        code, told = operated.run(*command, "--source=hosptal-a")
        assert (code, "is in the selection." in told) == (0, True), told
        assert not {"Complete: nothing is missing.", "Bucket and tables agree."} & set(told.splitlines())
