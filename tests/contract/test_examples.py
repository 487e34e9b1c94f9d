"""The contract files compile, their examples are valid, and they follow the rules of contracts/README.md."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from openapi_spec_validator import validate_url

from exchange.platform.contracts import contract

CONTRACTS = Path(__file__).parents[2] / "contracts"
NAMES = sorted(str(path.relative_to(CONTRACTS).with_suffix("")) for path in CONTRACTS.rglob("*.json"))
OPENAPI = sorted(CONTRACTS.glob("api/*.openapi.yaml"))

LIMITS = {"pattern", "enum", "const", "minimum", "maximum", "maxLength", "minItems", "maxItems"}
NEEDS_WORDS = {"pattern", "oneOf", "anyOf"}
# The keywords that exchange.platform.contracts can describe, and those that never fail by themselves.
KEYWORDS = {
    *(LIMITS | NEEDS_WORDS),
    *("$schema", "$ref", "$defs", "title", "description", "examples", "x-rule"),
    *("type", "format", "minLength", "properties", "required", "dependentRequired", "additionalProperties"),
    *("items", "if", "then", "else"),
}
OPEN_BY_INTENT = {("api/schemas/ingest.v1", "payload"), ("api/schemas/ingest.v2", "payload")}


def read(name: str) -> dict[str, Any]:
    schema: dict[str, Any] = json.loads((CONTRACTS / f"{name}.json").read_bytes())
    return schema


def subschemas(schema: Any, name: str = "$", *, conditional: bool = False) -> Iterator[tuple[str, Any, bool]]:
    """Yield each schema inside a schema, its name, and whether it is conditional: inside if, then, else or oneOf."""
    yield name, schema, conditional
    if not isinstance(schema, dict):
        return
    for keyword in ("properties", "$defs"):
        for member, child in schema.get(keyword, {}).items():
            yield from subschemas(child, member, conditional=conditional)
    if "items" in schema:
        yield from subschemas(schema["items"], f"{name}[]", conditional=conditional)
    for keyword in ("if", "then", "else"):
        if keyword in schema:
            yield from subschemas(schema[keyword], keyword, conditional=True)
    for keyword in ("oneOf", "anyOf"):
        for child in schema.get(keyword, []):
            yield from subschemas(child, keyword, conditional=True)


def test_every_promised_contract_is_there() -> None:
    assert {path.name for path in OPENAPI} == {"ingest.openapi.yaml", "tokenize.openapi.yaml"}
    assert set(NAMES) >= {
        "events/record.ingested.v1",
        "events/record.ingested.v2",
        "events/record.dead_letter.v1",
        "events/record.dead_letter.v2",
        *(
            f"partners/{hint}/{kind}"
            for hint in ("partnerA.v1", "partnerA.v2", "partnerB.v1")
            for kind in ("encounter", "claim", "lab_result")
        ),
    }


@pytest.mark.parametrize("name", NAMES)
def test_every_example_meets_its_contract(name: str) -> None:
    examples = read(name)["examples"]
    assert examples
    for example in examples:
        contract(name).validate(example)


@pytest.mark.parametrize("name", NAMES)
def test_every_object_is_closed_unless_it_is_a_payload(name: str) -> None:
    for member, schema, conditional in subschemas(read(name)):
        if (
            isinstance(schema, dict)
            and ("properties" in schema or schema.get("type") == "object")
            and not conditional
        ):
            assert (schema.get("additionalProperties") is False) != ((name, member) in OPEN_BY_INTENT), member


@pytest.mark.parametrize("name", NAMES)
def test_every_limit_says_what_it_prevents_and_every_riddle_has_words(name: str) -> None:
    for member, schema, conditional in subschemas(read(name)):
        if not isinstance(schema, dict):
            continue
        if LIMITS & schema.keys() and not conditional:
            assert schema.get("description"), member
        if NEEDS_WORDS & schema.keys():
            assert schema.get("x-rule", "").startswith("must "), member


@pytest.mark.parametrize("name", NAMES)
def test_no_contract_uses_a_keyword_that_a_violation_has_no_words_for(name: str) -> None:
    for member, schema, _ in subschemas(read(name)):
        if isinstance(schema, dict):
            assert schema.keys() <= KEYWORDS, member


@pytest.mark.parametrize("name", [name for name in NAMES if "dead_letter" not in name])
def test_a_contract_stands_on_its_own(name: str) -> None:
    for _, schema, _ in subschemas(read(name)):
        if isinstance(schema, dict) and "$ref" in schema:
            assert schema["$ref"].startswith("#/$defs/")


def test_a_person_is_the_same_in_every_api() -> None:
    people = [
        read("api/schemas/ingest.v1")["$defs"],
        read("api/schemas/ingest.v2")["$defs"],
        read("api/schemas/tokenize.request")["$defs"],
    ]
    assert people[0] == people[1] == people[2]


def test_what_a_batch_asks_for_is_judged_one_by_one() -> None:
    for request in read("api/schemas/tokenize.batch.request")["examples"]:
        for identifier in request["identifiers"]:
            contract("api/schemas/tokenize.identifier").validate(identifier)


@pytest.mark.parametrize("path", OPENAPI, ids=lambda path: path.name)
def test_every_openapi_file_is_valid_openapi(path: Path) -> None:
    validate_url(path.as_uri())


@pytest.mark.parametrize(
    ("file", "route", "body"),
    [
        ("ingest.openapi.yaml", "/v1/ingest", "ingest.v1"),
        ("ingest.openapi.yaml", "/v2/ingest", "ingest.v2"),
        ("tokenize.openapi.yaml", "/tokenize", "tokenize.request"),
    ],
)
def test_what_is_generated_from_the_openapi_file_is_what_the_code_takes(
    file: str, route: str, body: str
) -> None:
    operation = schemathesis.openapi.from_path(CONTRACTS / "api" / file)[route]["POST"]

    @given(st.data())
    @settings(
        max_examples=30, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
    )
    def generated(data: st.DataObject) -> None:
        case = data.draw(operation.as_strategy())
        contract(f"api/schemas/{body}").validate(case.body)

    generated()
