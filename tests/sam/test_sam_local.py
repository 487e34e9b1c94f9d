"""Every function in SAM's own containers, on real Postgres, S3 and Kafka."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import pytest

from infra.cli.addresses import ROOT
from infra.cli.commands.up import EXAMPLE_BODY
from tests.e2e.running_system import RunningSystem, send, wait_until
from tests.sam.sam_cli import Sam

EVENTS = Path(__file__).parent / "events"


@pytest.mark.parametrize(
    ("function", "event", "part_of_the_answer"),
    [
        ("IngestFunction", "ingest.api.json", {"statusCode": 202}),
        ("MetricsFunction", "metrics.api.json", {"statusCode": 200}),
        ("TokenizeFunction", "tokenize.api.json", {"statusCode": 200}),
        ("TokenizeFunction", "tokenize.direct.json", {"profile": "v1", "identifiers": []}),
        ("OutboxPublishFunction", "outbox_publish.schedule.json", {"failed": 0}),
        ("NormalizeFunction", "normalize.kafka.json", {"batchItemFailures": []}),
        ("LineageFunction", "lineage.direct.json", {"canonical": None, "attempts": []}),
        ("RedriveFunction", "redrive.direct.json", {"redriven": []}),
    ],
)
def test_sam_local_invoke_runs_every_function(
    sam: Sam, function: str, event: str, part_of_the_answer: dict[str, Any]
) -> None:
    answer = sam.invoke(function, EVENTS / event)
    assert {name: answer.get(name) for name in part_of_the_answer} == part_of_the_answer


def test_boto3_invokes_tokenize_through_start_lambda(start_lambda: str, sam: Sam) -> None:
    client = boto3.client("lambda", endpoint_url=start_lambda, region_name="us-east-1", **_keys(sam))
    event = (EVENTS / "tokenize.direct.json").read_bytes()
    answer = json.load(client.invoke(FunctionName="TokenizeFunction", Payload=event)["Payload"])
    assert [len(person["tokens"]) for person in answer["people"]] == [1]


def test_a_record_that_comes_in_by_start_api_is_canonical_through_sams_containers_alone(
    system: RunningSystem, sam: Sam, start_api: str, start_lambda: str
) -> None:
    headers = [
        ("Authorization", "Bearer dev"),
        ("Content-Type", "application/json"),
        ("Idempotency-Key", "end-to-end-by-sam"),
    ]
    with exchange_sources(sam, start_lambda):
        answer = send(start_api, "POST", "/v1/ingest", headers, EXAMPLE_BODY.encode())
        assert answer.status == 202, answer.body
        wait_until(lambda: system.settled([answer.json["record_id"]]), "the record is canonical")
    rows = system.rows(
        "SELECT record_kind FROM canonical_records WHERE record_id = %s", answer.json["record_id"]
    )
    assert rows == [("encounter",)]


@contextmanager
def exchange_sources(sam: Sam, endpoint: str) -> Iterator[None]:
    arguments = ["sources", "--endpoint", endpoint, "--parameters", str(sam.parameters_file)]
    log = sam.folder / "sources.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "infra.cli.main", *arguments], cwd=ROOT, stdout=output, stderr=output
        )
        try:
            yield
            assert process.poll() is None, log.read_text()
        finally:
            process.terminate()
            process.wait(30)


def _keys(sam: Sam) -> dict[str, str]:
    return {
        "aws_access_key_id": sam.credentials["AWS_ACCESS_KEY_ID"],
        "aws_secret_access_key": sam.credentials["AWS_SECRET_ACCESS_KEY"],
    }
