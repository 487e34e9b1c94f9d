"""No event, answer, header, query or body is changed on its way."""

from __future__ import annotations

import base64
import json
import string
from collections.abc import Callable
from typing import Any
from urllib.parse import quote_plus

import requests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from integration.running import Running

# Quick examples, many of them; the machine may be busy.
many = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

# What JSON itself can carry unchanged: no lone surrogates, numbers that a double holds.
text = st.text(st.characters(exclude_categories=["Cs"]))
numbers = st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
scalars = st.none() | st.booleans() | numbers | text
values: st.SearchStrategy[Any] = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(text, inner, max_size=4),
    max_leaves=12,
)

# RFC 9110: names are tokens, values are visible characters with blanks between them.
header_names = st.text(string.ascii_letters + string.digits + "-_", min_size=1, max_size=20).map(
    "X-T".__add__
)
header_values = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), max_size=40)
headers = st.dictionaries(header_names, header_values, max_size=5).filter(
    lambda found: len({name.lower() for name in found}) == len(found)
)
queries = st.lists(st.tuples(text.filter(bool), text), max_size=6)


@many
@given(event=values)
def test_any_event_comes_back_as_it_went_through_the_lambda_api(runner: Running, event: Any) -> None:
    response = requests.post(
        runner.endpoints["lambda"] + "/2015-03-31/functions/MirrorFunction/invocations",
        data=json.dumps(event),
        timeout=60,
    )
    assert response.status_code == 200
    assert "X-Amz-Function-Error" not in response.headers
    assert same(response.json(), event)


@many
@given(sent=headers, query=queries, body=st.binary(max_size=200))
def test_any_header_query_and_body_reach_the_function_through_a_rest_api(
    runner: Running, sent: dict[str, str], query: list[tuple[str, str]], body: bytes
) -> None:
    url = runner.api + "/echo?" + "&".join(f"{quote_plus(name)}={quote_plus(value)}" for name, value in query)
    named = {**sent, "Content-Type": "application/octet-stream"}
    event = requests.post(url, headers=named, data=body, timeout=60).json()
    assert {name: event["headers"][name] for name in sent} == sent
    assert {name: event["multiValueHeaders"][name] for name in sent} == {
        name: [value] for name, value in sent.items()
    }
    assert event["multiValueQueryStringParameters"] == (grouped(query) or None)
    assert event["queryStringParameters"] == (dict(query) or None)
    assert base64.b64decode(event["body"] or "") == body


@many
@given(status=st.integers(200, 599), sent=headers, body=text)
def test_any_answer_reaches_the_client_through_a_rest_api(
    runner: Running, status: int, sent: dict[str, str], body: str
) -> None:
    answer: dict[str, Any] = {"statusCode": status, "headers": sent, "body": body}
    response = requests.post(runner.api + "/answer", json=answer, timeout=60)
    assert response.status_code == status
    assert {name: response.headers[name] for name in sent} == sent
    if status not in (204, 304):
        assert response.content == body.encode()


def grouped(query: list[tuple[str, str]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in query:
        found.setdefault(name, []).append(value)
    return found


def same(left: Any, right: Any) -> bool:
    """Return whether two values are equal in types and key order: `1 == True` or `1 == 1.0` would hide a change."""
    dump: Callable[[Any], str] = json.dumps
    return dump(left) == dump(right)
