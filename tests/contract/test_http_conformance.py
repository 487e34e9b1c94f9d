"""The running API conforms to its OpenAPI files: they declare every answer and its form."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import requests
import schemathesis
import yaml
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.e2e.running_system import RunningSystem

API = Path(__file__).parents[2] / "contracts" / "api"
CHECKS: list[Any] = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]


@dataclass(frozen=True)
class Asked:
    """An operation of an OpenAPI file, the service to test, and the number of requests."""

    service: str
    file: str
    method: str
    path: str
    examples: int

    def __str__(self) -> str:
        return f"{self.service}: {self.method} {self.path}"

    def operation(self) -> Any:
        return schemathesis.openapi.from_path(API / self.file)[self.path][self.method]


OPERATIONS = [
    Asked("ingest", "ingest.openapi.yaml", "GET", "/healthz", 5),
    Asked("ingest", "ingest.openapi.yaml", "GET", "/metrics", 5),
    Asked("ingest", "ingest.openapi.yaml", "POST", "/v1/ingest", 40),
    Asked("ingest", "ingest.openapi.yaml", "POST", "/v2/ingest", 40),
    Asked("tokenize", "tokenize.openapi.yaml", "GET", "/healthz", 5),
    Asked("tokenize", "tokenize.openapi.yaml", "POST", "/tokenize", 40),
    Asked("ingest", "tokenize.openapi.yaml", "POST", "/tokenize", 10),
]
POSTS = [asked for asked in OPERATIONS if asked.method == "POST"]
DEVELOPER = {"Authorization": "Bearer dev"}


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSystem]:
    running = RunningSystem(tmp_path_factory.mktemp("conformance"))
    yield running
    running.stop()


@pytest.fixture(scope="module")
def session() -> Iterator[requests.Session]:
    with requests.Session() as kept:
        yield kept


def test_every_operation_is_asked() -> None:
    announced = {
        (path.name, method.upper(), route)
        for path in API.glob("*.openapi.yaml")
        for route, methods in yaml.safe_load(path.read_bytes())["paths"].items()
        for method in methods
    }
    assert announced == {(asked.file, asked.method, asked.path) for asked in OPERATIONS}


@pytest.mark.parametrize("asked", OPERATIONS, ids=str)
def test_every_answer_is_one_that_the_contract_announces(
    system: RunningSystem, session: requests.Session, asked: Asked
) -> None:
    ask(system, session, asked, schemathesis.GenerationMode.POSITIVE, DEVELOPER)


@pytest.mark.parametrize("asked", POSTS, ids=str)
def test_every_answer_to_a_wrong_request_is_one_that_the_contract_announces(
    system: RunningSystem, session: requests.Session, asked: Asked
) -> None:
    ask(system, session, asked, schemathesis.GenerationMode.NEGATIVE, DEVELOPER)


@pytest.mark.parametrize("asked", POSTS, ids=str)
def test_a_caller_without_a_token_is_answered_as_announced(
    system: RunningSystem, session: requests.Session, asked: Asked
) -> None:
    asked = replace(asked, examples=5)
    statuses = ask(system, session, asked, schemathesis.GenerationMode.POSITIVE, {"Authorization": "Basic x"})
    assert statuses == {401}


def ask(
    system: RunningSystem,
    session: requests.Session,
    asked: Asked,
    mode: schemathesis.GenerationMode,
    headers: dict[str, str],
) -> set[int]:
    """Send generated requests and check every answer; return the statuses received."""
    operation, url = asked.operation(), getattr(system.addresses, asked.service)
    statuses: set[int] = set()

    @given(st.data())
    @settings(
        max_examples=asked.examples,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def generated(data: st.DataObject) -> None:
        case = data.draw(operation.as_strategy(generation_mode=mode))
        answer = case.call(base_url=url, session=session, headers=headers, timeout=30)
        case.validate_response(answer, checks=CHECKS)
        statuses.add(answer.status_code)

    generated()
    return statuses
