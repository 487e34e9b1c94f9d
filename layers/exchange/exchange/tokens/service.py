"""Tokenization of one person over HTTP, or of a batch by direct invoke."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from exchange.errors import ContractViolation, InvalidRequest, RequestRefused
from exchange.platform.auth import authenticate
from exchange.platform.contracts import contract
from exchange.platform.http import HttpRequest
from exchange.platform.settings import Settings
from exchange.platform.strict_json import parse_json
from exchange.tokens.identifier import identifier_token
from exchange.tokens.keys import TokenKey, current_key, every_key
from exchange.tokens.profile_v1 import PROFILE, RULE, person_token

BODY_LIMIT_BYTES = 1024 * 1024


def tokenize_request(request: HttpRequest, settings: Settings) -> dict[str, str]:
    """Answer POST /tokenize; raises RequestRefused."""
    authenticate(request.header("Authorization"), settings).require_scope("tokenize")
    request.require_json()
    request.require_body_within(BODY_LIMIT_BYTES)
    if not request.body:
        raise InvalidRequest("is empty", field="body")
    person = parse_json(request.body)
    contract("api/schemas/tokenize.request").validate(person)
    return {"patient_token": _person_token(current_key(settings), person)}


def tokenize_batch(event: object, settings: Settings) -> dict[str, Any]:
    """Answer a direct invoke, in the order of its items; a bad item gets an error in its place.

    Raises ContractViolation when the envelope itself is wrong.
    """
    contract("api/schemas/tokenize.batch.request").validate(event)
    assert isinstance(event, dict)  # noqa: S101 - the contract has just proven it
    key = current_key(settings)
    keys = every_key(settings) if event.get("every_key_version") else (key,)
    identifier_secret = key.identifier_secret

    def person(item: Any) -> dict[str, Any]:
        return {"tokens": [{"rule": RULE, "token": _person_token(key, item)} for key in keys]}

    def identifier(item: Any) -> dict[str, Any]:
        return {"token": identifier_token(identifier_secret, **item)}

    return {
        "profile": PROFILE,
        "key_version": key.version,
        "people": list(_answer_each(event["people"], "api/schemas/tokenize.request", person)),
        "identifiers": list(
            _answer_each(event["identifiers"], "api/schemas/tokenize.identifier", identifier)
        ),
    }


def is_batch(event: object) -> bool:
    """Tell whether an event is a direct invoke: only HTTP events have a request context."""
    return not (isinstance(event, dict) and "requestContext" in event)


def _answer_each(
    items: Iterable[object], contract_name: str, tokenize: Callable[[Any], dict[str, Any]]
) -> Iterable[dict[str, Any]]:
    for item in items:
        try:
            contract(contract_name).validate(item)
            yield tokenize(item)
        except ContractViolation as error:
            yield {"error": _describe(error)}


def _describe(error: RequestRefused) -> dict[str, str]:
    return {"code": error.code, "message": str(error), "field": error.field or "$"}


def _person_token(key: TokenKey, person: Any) -> str:
    return person_token(
        key.secret,
        given_name=person["given_name"],
        family_name=person["family_name"],
        birth_date=person["dob"],
        ssn=person.get("ssn"),
    )
