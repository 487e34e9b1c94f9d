"""The functions as Lambda calls them: events, answers, and faults without their messages."""

from __future__ import annotations

import base64
import importlib.util
import json
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from exchange.outbox import service as outbox
from exchange.outbox.model import OutboxEvent
from exchange.platform import bus, db, functions, listing, objects, settings
from exchange.platform.faults import InvocationFailed, InvocationRefused
from exchange.raw import reader
from exchange.records import service as records
from exchange.recovery import reconcile, replay
from tests.integration.exchange.harness import (
    TOPICS,
    Context,
    Exchange,
    kafka_event,
    submission,
)

ROOT = Path(__file__).parents[3]
CANARY = "Quetzalcoatl"
KEPT = (
    *(settings.load_settings, db.database, objects.raw_objects, functions.tokenize_function),
    *(bus.bus, outbox.publisher, reader.raw_reader, records.normalizer),
    *(listing.raw_listing, replay.replayer, reconcile.reconciler),
)


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """Simulate a cold start: clear the caches before and after the test."""

    def forget() -> None:
        for kept in KEPT:
            kept.cache_clear()

    for name in ("POSTGRES_DSN", "PGPASSWORD", "KAFKA_BROKERS", "JWT_SECRET", "TOKENIZER_HMAC_SECRET"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ENV", "local")
    forget()
    yield monkeypatch
    if db.database.cache_info().currsize:
        db.database().close()
    if bus.bus.cache_info().currsize:
        bus.bus().close()
    forget()


def load(function: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        f"{function}_under_test", ROOT / "functions" / function / "app.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def rest_event(method: str, path: str, body: bytes | None = None, **headers: str) -> dict[str, Any]:
    return {
        "resource": path,
        "path": path,
        "httpMethod": method,
        "headers": headers,
        "multiValueHeaders": {name: [value] for name, value in headers.items()},
        "queryStringParameters": None,
        "multiValueQueryStringParameters": None,
        "pathParameters": None,
        "stageVariables": None,
        "requestContext": {"resourcePath": path, "path": path, "httpMethod": method, "identity": {}},
        "body": None if body is None else base64.b64encode(body).decode(),
        "isBase64Encoded": body is not None,
    }


def said(caplog: pytest.LogCaptureFixture) -> str:
    """Return everything that the log records hold, even what a line may not show."""
    return repr([vars(record) for record in caplog.records])


JSON = {"Content-Type": "application/json", "Authorization": "Bearer dev"}
SAM = {"given_name": "Sam", "family_name": "Lee", "dob": "1990-01-01"}
SAM_TOKEN = "ce8ae21533b5c005f4e53a1d146221339bb8019cea6eb6981e29ea1d2884d7f6"


def call_tokenize(event: dict[str, Any]) -> dict[str, Any]:
    answer: dict[str, Any] = load("tokenize").handler(event, Context())
    return answer


@pytest.fixture
def tokenize_environment(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("TOKENIZER_HMAC_SECRET", "dev-tokenizer-secret-change-me")
    environment.setenv("JWT_ISSUER", "https://issuer.test/")
    environment.setenv("JWT_AUDIENCE", "exchange")
    environment.setenv("JWT_SECRET", "a secret that only this test knows")


@pytest.mark.usefixtures("tokenize_environment")
def test_tokenize_answers_http_and_a_batch_alike() -> None:
    answer = call_tokenize(rest_event("POST", "/tokenize", json.dumps(SAM).encode(), **JSON))
    assert answer["statusCode"] == 200
    assert json.loads(answer["body"]) == {"patient_token": SAM_TOKEN}
    batch = call_tokenize({"profile": "v1", "people": [SAM] * 1_000, "identifiers": []})
    assert {person["tokens"][0]["token"] for person in batch["people"]} == {SAM_TOKEN}


@pytest.mark.usefixtures("tokenize_environment")
def test_an_answered_request_is_one_line_that_carries_its_metrics_and_nothing_of_the_person(
    capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    correlation_id = "6f1d6f0e-58c1-4c0f-8d6c-3a5a6f3c2b71"
    headers = JSON | {"X-Correlation-Id": correlation_id, "User-Agent": CANARY}
    person = SAM | {"given_name": CANARY}
    call_tokenize(rest_event("POST", "/tokenize", json.dumps(person).encode(), **headers))
    printed = capsys.readouterr().out
    (line,) = printed.splitlines()
    document = json.loads(line)
    del document["_aws"], document["RequestDuration"]
    assert document == {
        "level": "INFO",
        "message": "request answered",
        "service": "tokenize",
        "request_id": Context().aws_request_id,
        "correlation_id": correlation_id,
        "method": "POST",
        "route": "/tokenize",
        "status": "200",
        "Requests": [1.0],
    }
    assert CANARY not in printed + said(caplog)


@pytest.mark.usefixtures("tokenize_environment")
def test_tokenize_is_healthy_without_a_token() -> None:
    assert call_tokenize(rest_event("GET", "/healthz"))["statusCode"] == 200


@pytest.mark.usefixtures("tokenize_environment")
@pytest.mark.parametrize(
    ("body", "headers", "status", "field"),
    [
        (json.dumps(SAM).encode(), JSON | {"Authorization": "Bearer x"}, 401, "Authorization"),
        (json.dumps(SAM).encode(), {"Content-Type": "application/json"}, 401, "Authorization"),
        (json.dumps(SAM).encode(), JSON | {"Content-Type": "text/plain"}, 415, "Content-Type"),
        (b"", JSON, 400, "body"),
        (b"{", JSON, 400, "$"),
        (json.dumps(SAM | {"dob": f"{CANARY}"}).encode(), JSON, 400, "dob"),
        (json.dumps(SAM | {"given_name": f"{CANARY}|"}).encode(), JSON, 400, "given_name"),
        (json.dumps(SAM | {CANARY: 1}).encode(), JSON, 400, "$"),
        (b" " * (1024 * 1024 + 1), JSON, 413, "body"),
    ],
)
def test_tokenize_refuses_by_field_and_shows_no_value(
    body: bytes,
    headers: dict[str, str],
    status: int,
    field: str,
    *,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    answer = call_tokenize(rest_event("POST", "/tokenize", body, **headers))
    assert (answer["statusCode"], json.loads(answer["body"])["field"]) == (status, field)
    printed = capsys.readouterr().out
    assert f'"status":"{status}"' in printed
    assert CANARY not in f"{answer}{printed}{said(caplog)}"


@pytest.mark.usefixtures("environment")
def test_tokenize_without_a_key_fails_by_the_setting_s_name() -> None:
    with pytest.raises(InvocationFailed, match="TOKENIZER_HMAC_SECRET is not set"):
        call_tokenize({"profile": "v1", "people": [SAM], "identifiers": []})
    answer = call_tokenize(rest_event("POST", "/tokenize", json.dumps(SAM).encode(), **JSON))
    assert answer["statusCode"] == 500
    assert json.loads(answer["body"]) == {"error": "internal error", "code": "internal_error"}


@pytest.mark.usefixtures("tokenize_environment")
@pytest.mark.parametrize("event", [{}, {"people": [{"given_name": CANARY}]}, {CANARY: CANARY}])
def test_an_event_that_is_neither_fails_without_its_text(
    event: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(InvocationFailed) as failed:
        call_tokenize(event)
    assert CANARY not in str(failed.value)
    assert caplog.records
    assert CANARY not in said(caplog)
    assert failed.value.__suppress_context__


@pytest.fixture
def normalize_environment(exchange: Exchange, environment: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    s3 = exchange.endpoints.s3
    for name, value in {
        "POSTGRES_DSN": exchange.dsn("exchange_normalize"),
        "RAW_BUCKET": exchange.bucket,
        "AWS_ENDPOINT_URL_S3": s3.url,
        "AWS_ACCESS_KEY_ID": s3.access_key,
        "AWS_SECRET_ACCESS_KEY": s3.secret_key,
        "AWS_REGION": s3.region,
        "AWS_ENDPOINT_URL_LAMBDA": "http://127.0.0.1:9",
        "TOKENIZE_FUNCTION_NAME": "TokenizeFunction",
    }.items():
        environment.setenv(name, value)
    return environment


@pytest.mark.usefixtures("normalize_environment")
def test_normalize_names_what_it_wants_again_as_the_event_source_reads_it(exchange: Exchange) -> None:
    missing, unreadable = submission("key-of-a-missing-one"), b"not JSON"
    event = kafka_event(unreadable, exchange.event(missing), first_offset=41)
    assert load("normalize").handler(event, Context()) == {
        "batchItemFailures": [{"itemIdentifier": {"partition": f"{TOPICS['2']}-0", "offset": 42}}]
    }


@pytest.mark.usefixtures("normalize_environment")
def test_normalize_wants_nothing_again_when_all_is_settled() -> None:
    assert load("normalize").handler(kafka_event(b"not JSON"), Context()) == {"batchItemFailures": []}


@pytest.mark.usefixtures("normalize_environment")
def test_normalize_fails_as_a_whole_when_tokenize_does_not_answer_and_says_so_without_a_name(
    exchange: Exchange, caplog: pytest.LogCaptureFixture
) -> None:
    record = submission(
        "key-00000001", person={"given_name": CANARY, "family_name": CANARY, "dob": "1990-01-01"}
    )
    exchange.put(record)
    with pytest.raises(InvocationFailed, match="TokenizeFunction did not answer"):
        load("normalize").handler(kafka_event(exchange.event(record)), Context())
    assert caplog.records
    assert CANARY not in said(caplog)
    assert exchange.rows("SELECT state, attempts FROM processing_stage_state") == [("failed_retryable", 0)]


@pytest.fixture
def publish_environment(exchange: Exchange, environment: pytest.MonkeyPatch, kafka_brokers: str) -> None:
    environment.setenv("POSTGRES_DSN", exchange.dsn("exchange_outbox"))
    environment.setenv("KAFKA_BROKERS", kafka_brokers)


@pytest.mark.usefixtures("publish_environment")
def test_outbox_publish_reports_what_it_did(exchange: Exchange, topic: Any) -> None:
    event = OutboxEvent(topic(), "key", b"{}")
    exchange.rows(
        "INSERT INTO outbox_events (shard, topic, key, value) VALUES (%s, %s, %s, %s)",
        *(event.shard, event.topic, event.key, event.value),
    )
    report = load("outbox_publish").handler({}, Context())
    assert report == {"published": 1, "failed": 0, "pruned": 0, "backlog": 0, "oldest_age_seconds": 0.0}


@pytest.mark.usefixtures("publish_environment")
@pytest.mark.parametrize("linger", [-1, "60", True, None, [60]])
def test_outbox_publish_refuses_a_linger_that_is_no_number(linger: object) -> None:
    with pytest.raises(InvocationFailed, match="linger_seconds: must be a number"):
        load("outbox_publish").handler({"linger_seconds": linger}, Context())


def test_a_cold_start_without_settings_names_what_is_missing(environment: pytest.MonkeyPatch) -> None:
    with pytest.raises(InvocationFailed, match="KAFKA_BROKERS is not set"):
        load("outbox_publish").handler({}, Context())


def test_a_function_in_production_refuses_a_plain_password(
    exchange: Exchange, environment: pytest.MonkeyPatch
) -> None:
    environment.setenv("ENV", "prod")
    environment.setenv("POSTGRES_DSN", exchange.dsn("exchange_outbox"))
    with pytest.raises(InvocationFailed, match="POSTGRES_DSN carries a password"):
        load("outbox_publish").handler({}, Context())


def told_of_the_bucket(environment: pytest.MonkeyPatch, exchange: Exchange, role: str) -> None:
    s3 = exchange.endpoints.s3
    for name, value in {
        "POSTGRES_DSN": exchange.dsn(role),
        "RAW_BUCKET": exchange.bucket,
        "AWS_ENDPOINT_URL_S3": s3.url,
        "AWS_ACCESS_KEY_ID": s3.access_key,
        "AWS_SECRET_ACCESS_KEY": s3.secret_key,
        "AWS_REGION": s3.region,
    }.items():
        environment.setenv(name, value)


def metrics_in(printed: str) -> dict[str, float]:
    """Return the values in all metric lines by name."""
    found: dict[str, float] = {}
    for line in printed.splitlines():
        if '"_aws"' in line:
            found |= {name: value[0] for name, value in json.loads(line).items() if isinstance(value, list)}
    return found


def test_replay_is_started_shard_by_shard_and_says_what_it_did(
    environment: pytest.MonkeyPatch, exchange: Exchange, capsys: pytest.CaptureFixture[str]
) -> None:
    told_of_the_bucket(environment, exchange, "exchange_replay")
    record = submission("key-of-an-object")
    exchange.put(record)
    replay = load("replay")
    job = replay.handler({"action": "start", "mode": "emit", "shards": 2}, Context())
    shard = record.record_id.int >> 127
    answer = replay.handler({"action": "continue", "job_id": job["job_id"], "shard": shard}, Context())
    assert (job["shards"], answer["done"], answer["counts"]["emitted"]) == (2, True, 1)
    assert metrics_in(capsys.readouterr().out) == {"Replayed": 1, "Restored": 1}
    assert replay.handler({"action": "resume"}, Context()) == {"resumed": []}
    assert replay.handler({"action": "cancel", "job_id": job["job_id"]}, Context()) == {"cancelled": True}


def test_reconcile_runs_as_its_schedule_asks_and_says_what_is_open(
    environment: pytest.MonkeyPatch, exchange: Exchange, capsys: pytest.CaptureFixture[str]
) -> None:
    told_of_the_bucket(environment, exchange, "exchange_reconcile")
    exchange.put(submission("key-of-an-object"))
    request = {"action": "run", "repair": True, "since": "2026-11-24T00:00:00Z", "grace_seconds": 0}
    answer = load("reconcile").handler(request, Context())
    assert (answer["done"], answer["counts"]["repaired_orphan_raw"]) == (True, 1)
    assert answer["open_findings"] == {"orphan_raw": 1}
    assert metrics_in(capsys.readouterr().out) == {"Reconciled": 1, "Repaired": 1, "OpenFindings": 1}


@pytest.mark.parametrize(
    ("function", "event", "field"),
    [
        ("replay", {}, "action"),
        ("replay", {"action": "run"}, "mode"),
        ("replay", {"action": "continue", "job_id": "11111111-2222-3333-4444-555555555555"}, "shard"),
        ("replay", {"action": "run", "mode": "emit", "source": CANARY + "/"}, "source"),
        ("reconcile", {"action": "repair"}, "action"),
        ("reconcile", {"action": "run", "grace_seconds": -1}, "grace_seconds"),
        ("redrive", {}, "action"),
        ("redrive", {"action": "redrive"}, "$"),
        ("redrive", {"action": "redrive", "reason": CANARY}, "reason"),
    ],
)
def test_a_request_that_breaks_its_contract_is_refused_by_field_and_without_its_value(
    environment: pytest.MonkeyPatch, exchange: Exchange, function: str, event: dict[str, Any], field: str
) -> None:
    told_of_the_bucket(environment, exchange, f"exchange_{function}")
    with pytest.raises(InvocationRefused) as refused:
        load(function).handler(event, Context())
    assert str(refused.value).startswith(f"{field}: ")
    assert CANARY not in str(refused.value)
