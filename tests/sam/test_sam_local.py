"""Every function runs in SAM's own containers, on real Postgres, S3 and Kafka."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from samtranslator.yaml_helper import yaml_parse

from infra.cli.clients.remote_invoker import RemoteInvoker
from infra.cli.commands.up import EXAMPLE_BODY
from infra.system.layout import ROOT
from tests.e2e.running_system import send, wait_until
from tests.sam.own_services import Services, exchange, settled
from tests.sam.sam_cli import Sam

EVENTS = Path(__file__).parent / "events"
RESOURCES: dict[str, dict[str, Any]] = yaml_parse((ROOT / "template.yaml").read_text())["Resources"]
FUNCTIONS = sorted(name for name, it in RESOURCES.items() if it["Type"] == "AWS::Serverless::Function")
# A part of each answer, by the name of its event's file.
ANSWERS: dict[str, dict[str, Any]] = {
    "erase.direct": {"record_ids": [], "unknown": ["5573a23f-05d6-4b02-9aff-4998ee4f6ac3"]},
    "ingest.api": {"statusCode": 202},
    "lineage.direct": {"canonical": None, "attempts": []},
    "metrics.api": {"statusCode": 200},
    "normalize.kafka": {"batchItemFailures": []},
    "outbox_publish.schedule": {"failed": 0},
    "reconcile.schedule": {"done": True, "waits_for": None},
    "redrive.direct": {"redriven": []},
    "replay.direct": {"done": True, "waits_for": None},
    "replay.schedule": {"resumed": []},
    "retain.schedule": {"complete": True},
    "tokenize.api": {"statusCode": 200},
    "tokenize.direct": {"profile": "v1", "identifiers": []},
}


def events() -> Iterator[tuple[str, str | None]]:
    """Yield each function with each of its events; OutboxPublishFunction's are outbox_publish.*.json."""
    for function in FUNCTIONS:
        folder = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", function.removesuffix("Function")).lower()
        found = sorted(path.stem for path in EVENTS.glob(f"{folder}.*.json"))
        yield from ((function, event) for event in found or (None,))


@pytest.mark.parametrize("environment", ["local", "ci", "prod"])
def test_sam_validate_finds_nothing_to_say(sam: Sam, environment: str) -> None:
    template = str(ROOT / "template.yaml")
    assert "is a valid SAM Template" in sam.run("validate", "--template", template, environment=environment)


def test_sam_build_makes_every_function_and_both_layers(sam: Sam) -> None:
    assert [name for name in FUNCTIONS if not (sam.built / name / "app.py").is_file()] == []
    assert (sam.built / "ExchangeLayer/python/exchange/contracts").is_dir()
    assert (sam.built / "DependenciesLayer/python/chalice").is_dir()


@pytest.mark.parametrize(("function", "event"), list(events()))
def test_sam_local_invoke_runs_every_function(sam: Sam, function: str, event: str | None) -> None:
    assert event is not None, f"{function} has no event file in tests/sam/events"
    expected = ANSWERS[event]
    answer = sam.invoke(function, EVENTS / f"{event}.json")
    assert {name: answer.get(name) for name in expected} == expected, answer


def test_start_api_answers_ingest_and_tokenize(start_api: str) -> None:
    accepted = send(start_api, "POST", "/v1/ingest", headers("both-routes-of-sam"), EXAMPLE_BODY.encode())
    person = b'{"given_name": "Sam", "family_name": "Lee", "dob": "1990-01-01", "ssn": null}'
    tokens = send(start_api, "POST", "/tokenize", headers("both-routes-of-sam"), person)
    assert (accepted.status, tokens.status) == (202, 200)


def test_boto3_invokes_tokenize_through_start_lambda(start_lambda: str) -> None:
    client = boto3.client(
        "lambda",
        endpoint_url=start_lambda,
        region_name="us-east-1",
        aws_access_key_id="any",
        aws_secret_access_key="any",
    )
    event = (EVENTS / "tokenize.direct.json").read_bytes()
    answer = json.load(client.invoke(FunctionName="TokenizeFunction", Payload=event)["Payload"])
    assert [len(person["tokens"]) for person in answer["people"]] == [1]


def test_an_exception_is_one_to_event_sources_though_start_lambda_says_200(start_lambda: str) -> None:
    async def invoke() -> str | None:
        async with RemoteInvoker(start_lambda) as invoker:
            return (await invoker.invoke("TokenizeFunction", b'{"profile": "v1", "people": 7}')).error_type

    assert asyncio.run(invoke()) == "Unhandled"


def test_a_record_that_comes_in_by_start_api_is_canonical_through_sams_containers_alone(
    services: Services, sam: Sam, start_api: str, start_lambda: str
) -> None:
    parameters = str(sam.parameters_file)
    with exchange(sam, "sources", "--endpoint", start_lambda, "--parameters", parameters):
        answer = send(start_api, "POST", "/v1/ingest", headers("end-to-end-by-sam"), EXAMPLE_BODY.encode())
        assert answer.status == 202, answer.body
        wait_until(lambda: settled(services, [answer.json["record_id"]]), "the record is canonical")
    query = "SELECT record_kind FROM canonical_records WHERE record_id = %s"
    assert services.rows(query, answer.json["record_id"]) == [("encounter",)]


def headers(idempotency_key: str) -> list[tuple[str, str]]:
    return [
        ("Authorization", "Bearer dev"),
        ("Content-Type", "application/json"),
        ("Idempotency-Key", idempotency_key),
    ]
