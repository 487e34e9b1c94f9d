from __future__ import annotations

import json
import traceback

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.errors import InvalidRequest
from exchange.platform.strict_json import MAX_DEPTH, canonical_json, parse_json
from tests.unit.contracts.mutation import json_values, places, replaced

CANARY = "Quetzalcoatl"


@pytest.mark.parametrize(
    ("data", "rule"),
    [
        (b"", "is not JSON (line 1, column 1)"),
        (b" \n", "is not JSON"),
        (b'{"a": 1', "is not JSON (line 1, column 8)"),
        (b"{}\n{}", "is not JSON (line 2, column 1)"),
        (b"{'a': 1}", "is not JSON"),
        (b'"a\nb"', "is not JSON"),
        (b'"\x00"', "is not JSON"),
        (b"\xef\xbb\xbf{}", "is not JSON"),
        (b'{"a": "\xff"}', "is not UTF-8 (byte 7)"),
        (b'"\xed\xa0\x80"', "is not UTF-8"),
        (b'"\xc0\x80"', "is not UTF-8"),
        ("{}".encode("utf-16"), "is not UTF-8"),
        (b"[NaN]", "holds NaN or Infinity"),
        (b"[Infinity]", "holds NaN or Infinity"),
        (b"[-Infinity]", "holds NaN or Infinity"),
        (b"[1e999]", "holds a number that is out of range"),
        (b"[-1e999]", "holds a number that is out of range"),
        (b"1" * 5_000, "holds a number of too many digits"),
        (b'"\\u0000"', "holds a NUL character"),
        (b'{"a\\u0000": 1}', "holds a NUL character"),
        (b'[{"a": ["\\ud800"]}]', "holds half a surrogate pair"),
        (b'{"\\uDFFF": 1}', "holds half a surrogate pair"),
        (b'"\\ude00\\ud83d"', "holds half a surrogate pair"),
        (b'{"a": 1, "a": 1}', "has an object with the same key twice"),
        (b'[{"b": {"a": 1, "\\u0061": 2}}]', "has an object with the same key twice"),
    ],
)
def test_what_two_readers_could_read_differently_is_refused(data: bytes, rule: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        parse_json(data)
    assert refused.value.field == "$"
    assert str(refused.value).startswith(f"$: {rule}")


@pytest.mark.parametrize("opening", ["[", '{"a":', '[{"a":'])
@pytest.mark.parametrize("closed", [True, False])
def test_twenty_thousand_levels_are_refused_and_not_a_crash(opening: str, closed: bool) -> None:
    levels = 20_000
    closing = opening[::-1].translate(str.maketrans("[{", "]}", '":a')) if closed else ""
    with pytest.raises(InvalidRequest):
        parse_json((opening * levels + "1" + closing * levels).encode())


def test_the_deepest_document_is_taken_and_one_level_more_is_not() -> None:
    deepest = b"[" * MAX_DEPTH + b"]" * MAX_DEPTH
    assert canonical_json(parse_json(deepest)) == deepest
    with pytest.raises(InvalidRequest, match="more than 64 levels"):
        parse_json(b"[" + deepest + b"]")


def test_many_shallow_objects_are_not_mistaken_for_a_deep_one() -> None:
    assert parse_json(b"[" + b"{}," * 10_000 + b"{}]") == [{}] * 10_001


def test_escapes_that_only_look_dangerous_are_taken() -> None:
    assert parse_json(b'["\\\\u0000", "\\\\ud800", "\\ud83d\\ude00", "\\u00e9"]') == [
        "\\u0000",
        "\\ud800",
        "\N{GRINNING FACE}",
        "é",
    ]


@pytest.mark.parametrize(
    "data",
    [
        f'{{"{CANARY}": 1, "{CANARY}": 2}}'.encode(),
        f'{{"a": "{CANARY}"'.encode(),
        f'"{CANARY}'.encode() + b"\xff",
        f'"{CANARY}\\u0000"'.encode(),
        f'"{CANARY}\\ud800"'.encode(),
        f'["{CANARY}", NaN]'.encode(),
        f'["{CANARY}", {"1" * 5_000}]'.encode(),
        ("[" * 20_000 + CANARY).encode(),
    ],
)
def test_a_refusal_and_its_traceback_show_nothing_of_the_document(data: bytes) -> None:
    with pytest.raises(InvalidRequest) as refused:
        parse_json(data)
    assert CANARY not in "".join(traceback.format_exception(refused.value))
    assert "1111" not in str(refused.value)


@given(json_values)
def test_what_is_written_canonically_is_read_back_the_same(value: object) -> None:
    if any("\x00" in text for text in _texts(value)):
        return
    data = canonical_json(value)
    assert parse_json(data) == value
    assert canonical_json(parse_json(data)) == data


@given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), st.integers()))
def test_canonical_bytes_do_not_depend_on_the_order_of_keys(members: dict[str, int]) -> None:
    assert canonical_json(members) == canonical_json(dict(reversed(members.items())))


def test_canonical_bytes_are_these() -> None:
    assert canonical_json({"b": [1, None], "a": "é"}) == '{"a":"é","b":[1,null]}'.encode()


def test_nothing_that_is_not_json_can_be_written() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical_json(float("nan"))


@given(st.data(), json_values)
def test_a_key_given_twice_is_refused_at_any_depth(data: st.DataObject, value: object) -> None:
    if any("\x00" in text for text in _texts(value)):
        return
    placeholder = "a placeholder for the twice-named"
    path = data.draw(st.sampled_from(list(places(value))))
    text = json.dumps(replaced(value, path, placeholder)).replace(f'"{placeholder}"', '{"k": 1, "k": 1}')
    with pytest.raises(InvalidRequest, match="same key twice"):
        parse_json(text.encode())


@given(st.binary())
def test_any_bytes_are_either_read_or_refused(data: bytes) -> None:
    try:
        value = parse_json(data)
    except InvalidRequest:
        return
    assert value == json.loads(data)


def _texts(value: object) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [*value, *(text for member in value.values() for text in _texts(member))]
    if isinstance(value, list):
        return [text for entry in value for text in _texts(entry)]
    return []
