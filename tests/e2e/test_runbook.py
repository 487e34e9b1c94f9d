"""Every command and query in docs/runbook.md runs as written against a running exchange."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import boto3
import psycopg2
import pytest
from botocore.config import Config

from infra.system.addresses import Addresses
from infra.system.layout import REGION, ROOT
from tests.e2e.exchange_command import run_exchange
from tests.e2e.running_system import send, wait_until

RUNBOOK = ROOT / "docs" / "runbook.md"
_BLOCK = re.compile(r"^```(bash|sql)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PERSON = {"given_name": "Ruth", "family_name": "Runbook", "dob": "1980-02-03", "ssn": None}


@dataclass(frozen=True)
class Entry:
    """A section of the runbook: its heading and its code blocks."""

    title: str
    blocks: tuple[tuple[str, str], ...]


def entries() -> list[Entry]:
    _, *sections = re.split(r"^## ", RUNBOOK.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return [
        Entry(section.splitlines()[0], tuple((kind, text) for kind, text in _BLOCK.findall(section)))
        for section in sections
    ]


@dataclass(frozen=True)
class Running:
    """A running exchange, and the values of the runbook's variables in it."""

    data_dir: Path
    addresses: Addresses
    variables: dict[str, str]

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        with (
            closing(psycopg2.connect(self.addresses.postgres_dsn)) as connection,
            connection,
            connection.cursor() as cursor,
        ):
            cursor.execute(sql)
            return cursor.fetchall()

    def execute(self, sql: str) -> None:
        with (
            closing(psycopg2.connect(self.addresses.postgres_dsn)) as connection,
            connection,
            connection.cursor() as cursor,
        ):
            cursor.execute(sql)

    def run(self, kind: str, text: str) -> None:
        """Run a block of the runbook as written; every line of it has to succeed."""
        if kind == "sql":
            self.rows(text)
            return
        environment = {
            **os.environ,
            **self.variables,
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "EXCHANGE_DATA_DIR": str(self.data_dir),
        }
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", text],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("runbook")
    started = run_exchange("up", "--detach", "--any-ports", "--broker-storage=memory", "--data-dir", folder)
    assert started.returncode == 0, started.stderr
    addresses = Addresses.load(folder)
    assert addresses is not None
    try:
        yield _operated(folder, addresses)
    finally:
        run_exchange("down", "--data-dir", folder)


def _operated(folder: Path, addresses: Addresses) -> Running:
    """Prepare an exchange with canonical records, one of them the person's, an erased one, and a dead letter."""
    schema = json.loads((ROOT / "contracts/partners/partnerA.v2/encounter.json").read_bytes())
    payload = schema["examples"][0]
    ids = {
        name: _send(addresses, name, payload | changes)
        for name, changes in {
            "canonical": {},
            "erasable": {},
            "erased": {},
            "Ruth": {},
            "dead": {"unknown": 1},
        }.items()
    }
    running = Running(folder, addresses, {})
    settled = "SELECT count(*) FROM processing_stage_state WHERE state IN ('succeeded', 'dlq')"
    wait_until(lambda: running.rows(settled) == [(5,)], "all records are settled")
    erased = run_exchange("erase", ids["erased"], "--yes", "--json", "--data-dir", folder)
    assert erased.returncode == 0, erased.stderr
    person = folder / "person.json"
    person.write_text(json.dumps(PERSON))
    ((number, reason),) = running.rows("SELECT dead_letter_id, reason FROM dead_letters")
    running.variables.update(
        RECORD_ID=ids["canonical"],
        ERASABLE_RECORD_ID=ids["erasable"],
        ERASED_RECORD_ID=ids["erased"],
        ERASURE_ID=json.loads(erased.stdout)["erasure_id"],
        PARTNER_ID="partnerA",
        CASE_REF="TICKET-123",
        PERSON_FILE=str(person),
        DEAD_LETTER_ID=str(number),
        REASON=reason,
    )
    return running


def _send(addresses: Addresses, name: str, payload: dict[str, Any]) -> str:
    body = {
        "source": "hospital-a",
        "record_kind": "encounter",
        "schema_hint": "partnerA.v2",
        "patient": PERSON | {"given_name": name},
        "payload": payload,
    }
    headers = [
        ("Authorization", "Bearer dev"),
        ("Content-Type", "application/json"),
        ("Idempotency-Key", f"key-of-the-{name}-record"),
    ]
    answer = send(addresses.ingest, "POST", "/v2/ingest", headers, json.dumps(body).encode())
    assert answer.status == 202, answer
    return str(answer.json["record_id"])


def test_every_entry_says_what_to_run() -> None:
    found = entries()
    assert len(found) >= 10
    assert [entry.title for entry in found if not entry.blocks] == []
    fences = len(re.findall(r"^```\w", RUNBOOK.read_text(encoding="utf-8"), re.MULTILINE))
    assert sum(len(entry.blocks) for entry in found) == fences


@pytest.mark.parametrize("entry", entries(), ids=lambda entry: entry.title)
def test_an_entry_s_commands_and_queries_run_as_they_stand(running: Running, entry: Entry) -> None:
    for kind, text in entry.blocks:
        running.run(kind, text)


def test_the_case_of_a_command_is_in_the_audit_log_and_a_sentence_is_refused(running: Running) -> None:
    asked = ("erase", str(uuid4()), "--yes", "--data-dir", running.data_dir)
    refused = run_exchange(*asked, "--case", "for Mr. Quetzalcoatl")
    assert (refused.returncode, "case: must be a ticket's number" in refused.stderr) == (1, True)
    assert "Quetzalcoatl" not in refused.stdout + refused.stderr
    again = ("dead-letters", "redrive", running.variables["DEAD_LETTER_ID"], "--case", "TICKET-125")
    state = f"SELECT state FROM dead_letters WHERE dead_letter_id = {running.variables['DEAD_LETTER_ID']}"
    wait_until(lambda: running.rows(state) == [("dead",)], "what was redriven before is settled")
    assert run_exchange(*again, "--data-dir", running.data_dir).returncode == 0
    audited = "SELECT action, outcome, partner_id FROM audit_log WHERE case_ref = 'TICKET-125'"
    assert running.rows(audited) == [("redrive", "redriven", "partnerA")]


def test_lineage_shows_a_record_s_way_and_says_when_nobody_knows_it(running: Running) -> None:
    record_id = running.variables["RECORD_ID"]
    shown = run_exchange("lineage", record_id, "--data-dir", running.data_dir).stdout
    for word in ("hospital-a", "canonicalize succeeded", "encounter of partnerA", "1 patient_tokens"):
        assert word in shown
    found = json.loads(run_exchange("lineage", record_id, "--json", "--data-dir", running.data_dir).stdout)
    assert [attempt["state"] for attempt in found["attempts"]] == ["succeeded"]
    stranger = run_exchange("lineage", str(uuid4()), "--data-dir", running.data_dir)
    assert (stranger.returncode, "nobody knows" in stranger.stderr) == (1, True)


def test_a_record_that_stands_still_is_found_among_the_attempts_of_the_day(running: Running) -> None:
    (entry,) = (entry for entry in entries() if entry.title.startswith("A record is stuck"))
    ((_, query),) = entry.blocks
    record_id = str(uuid4())
    stands = (
        f"'{record_id}', 'canonicalize', now() - interval '20 minutes', 'running', '{uuid4()}', 'a dead one'"
    )
    columns = "(record_id, stage, started_at, state, event_id, environment_id"
    running.execute(
        f"INSERT INTO processing_stage_state {columns}, attempts) VALUES ({stands}, 2);"
        f"INSERT INTO processing_attempts {columns}, topic, kafka_partition, kafka_offset)"
        f" VALUES ({stands}, 'record.ingested.v2', 0, 4711)"
    )
    try:
        assert [(str(row[0]), *row[1:3]) for row in running.rows(query)] == [(record_id, "running", 2)]
        plan = "\n".join(line for (line,) in running.rows(f"SET enable_seqscan = off; EXPLAIN {query}"))
        assert "processing_attempts_by_time" in plan
        assert "processing_stage_state_pkey" in plan
        # many old attempts: the newest are shown, with the number of the others
        running.execute(
            f"INSERT INTO processing_attempts {columns}, topic, kafka_partition, kafka_offset, finished_at)"
            " SELECT record_id, stage, started_at - n * interval '2 days', 'abandoned', event_id, environment_id,"
            " topic, 0, n, now() FROM processing_attempts, generate_series(1, 250) AS n"
            f" WHERE record_id = '{record_id}'"
        )
        shown = run_exchange("lineage", record_id, "--data-dir", running.data_dir).stdout
        assert "Attempts before these, left off: 51" in shown
    finally:
        for table in ("processing_stage_state", "processing_attempts"):
            running.execute(f"DELETE FROM {table} WHERE record_id = '{record_id}'")


def test_a_class_is_mended_and_redriven_by_the_runbook_and_a_hopeless_one_does_not_loop(
    running: Running,
) -> None:
    """The cause is a missing raw object, and the letter has lost its event's bytes, too."""
    s3 = boto3.client(
        "s3",
        endpoint_url=running.addresses.s3,
        region_name=REGION,
        aws_access_key_id=running.addresses.s3_access_key,
        aws_secret_access_key=running.addresses.s3_secret_key,
        config=Config(s3={"addressing_style": "path"}),
    )
    assert run_exchange("pause", "NormalizeFromV2", "--data-dir", running.data_dir).returncode == 0
    schema = json.loads((ROOT / "contracts/partners/partnerA.v2/encounter.json").read_bytes())
    record_id = _send(running.addresses, "mended", schema["examples"][0])
    where = f"SELECT bucket, object_key FROM raw_object_manifest WHERE record_id = '{record_id}'"
    ((bucket, key),) = running.rows(where)
    kept = s3.get_object(Bucket=bucket, Key=key)
    body = kept["Body"].read()
    s3.delete_object(Bucket=bucket, Key=key)
    assert run_exchange("resume", "NormalizeFromV2", "--data-dir", running.data_dir).returncode == 0
    letter = (
        f"SELECT dead_letter_id, reason FROM dead_letters WHERE record_id = '{record_id}' AND state = 'dead'"
    )
    wait_until(lambda: bool(running.rows(letter)), "the record is a dead letter")
    ((number, reason),) = running.rows(letter)
    running.execute(f"UPDATE dead_letters SET event = NULL WHERE dead_letter_id = {number}")

    refused = run_exchange("dead-letters", "redrive", str(number), "--data-dir", running.data_dir)
    assert (refused.returncode, "raw_object_missing: its event's bytes" in refused.stdout) == (1, True)
    s3.put_object(Bucket=bucket, Key=key, Body=body, Metadata=kept["Metadata"])
    (entry,) = (entry for entry in entries() if entry.title.startswith("Dead letters"))
    mended = replace(
        running, variables={"DEAD_LETTER_ID": str(number), "REASON": reason, "CASE_REF": "TICKET-124"}
    )
    for kind, text in entry.blocks:
        mended.run(kind, text)
    state = f"SELECT state FROM dead_letters WHERE dead_letter_id = {number}"
    wait_until(lambda: running.rows(state) == [("resolved",)], "the record is canonical")
    outcomes = (
        "SELECT outcome, partner_id FROM audit_log"
        f" WHERE action = 'redrive' AND record_id = '{record_id}' ORDER BY audit_id"
    )
    assert running.rows(outcomes) == [("raw_object_missing", "partnerA"), ("redriven", "partnerA")]

    hopeless = f"SELECT state, redrives FROM dead_letters WHERE dead_letter_id = {running.variables['DEAD_LETTER_ID']}"
    wait_until(lambda: running.rows(hopeless)[0][0] == "dead", "what was redriven before is settled")
    ((_, before),) = running.rows(hopeless)
    done = run_exchange(
        *("dead-letters", "redrive", "--all", "--rate-per-sec", "1000", "--json"),
        "--data-dir",
        running.data_dir,
    )
    assert (done.returncode, json.loads(done.stdout)["redriven"]) == (
        *(0, [int(running.variables["DEAD_LETTER_ID"])]),
    )
    wait_until(lambda: running.rows(hopeless) == [("dead", before + 1)], "it has failed again")
    time.sleep(1)
    assert running.rows(hopeless) == [("dead", before + 1)]


def test_dead_letters_line_up_by_reason_and_need_to_be_told_which(running: Running) -> None:
    listed = run_exchange("dead-letters", "list", "--data-dir", running.data_dir).stdout
    head, *rows = listed.splitlines()
    assert head.split()[0] == "reason"
    assert [row.split()[0] for row in rows] == [running.variables["REASON"]]
    unknown = run_exchange("dead-letters", "redrive", "999999", "--data-dir", running.data_dir)
    assert (unknown.returncode, unknown.stdout) == (0, "No such dead letter waits.\n")
    untold = run_exchange("dead-letters", "redrive", "--data-dir", running.data_dir)
    assert (untold.returncode, "say which" in untold.stderr) == (1, True)


def test_an_erased_record_s_key_is_answered_with_410_and_an_unknown_record_is_said_to_be_one(
    running: Running,
) -> None:
    headers = [
        ("Authorization", "Bearer dev"),
        ("Content-Type", "application/json"),
        ("Idempotency-Key", "key-of-the-erased-record"),
    ]
    body = {
        "source": "hospital-a",
        "record_kind": "encounter",
        "schema_hint": "partnerA.v2",
        "patient": PERSON,
        "payload": {},
    }
    answer = send(running.addresses.ingest, "POST", "/v2/ingest", headers, json.dumps(body).encode())
    assert (answer.status, answer.json["code"]) == (410, "record_erased")
    unknown = run_exchange("erase", str(uuid4()), "--yes", "--data-dir", running.data_dir)
    assert (unknown.returncode, "unknown" in unknown.stderr) == (1, True)


def test_a_person_comes_by_standard_input_and_a_bad_one_is_refused_by_field(running: Running) -> None:
    asked = ("erase", "--partner=partnerA", "--person=-", "--dry-run", "--data-dir", running.data_dir)
    nobody = run_exchange(*asked, asked=json.dumps(PERSON | {"given_name": "Nobody"}))
    assert (nobody.returncode, nobody.stdout.strip()) == (0, "No record is found.")
    bad = run_exchange(*asked, asked=json.dumps(PERSON | {"dob": "Quetzalcoatl"}))
    assert (bad.returncode, "person.dob" in bad.stderr, "Quetzalcoatl" in bad.stderr) == (1, True, False)
    not_json = run_exchange(*asked, asked="Quetzalcoatl")
    assert (not_json.returncode, "Quetzalcoatl" in not_json.stderr) == (1, False)
