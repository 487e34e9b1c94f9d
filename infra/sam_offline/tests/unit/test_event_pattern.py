from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sam_offline.errors import TemplateError
from sam_offline.sources.kafka.filter import KafkaFilter
from sam_offline.template.event_pattern import compile_pattern, parse_json


def matches(pattern: Any, document: str) -> bool:
    return compile_pattern(parse_json(json.dumps(pattern)))(parse_json(document))


@pytest.mark.parametrize(
    ("rules", "matching", "other"),
    [
        (["a"], ['"a"', '["b", "a"]'], ['"b"', "1", "null", '{"x": "a"}', "[]"]),
        ([None], ["null"], ['""', "0", "false"]),
        ([""], ['""'], ["null", '"a"']),
        ([True], ["true"], ["1", '"true"']),
        ([300], ["300"], ["300.0", "3.0e2", '"300"']),
        (["a", "b"], ['"a"', '"b"'], ['"c"']),
        ([{"prefix": "us-"}], ['"us-east-1"'], ['"eu-us-"', "1"]),
        ([{"prefix": {"equals-ignore-case": "US-"}}], ['"us-east-1"'], ['"eu-west-1"']),
        ([{"suffix": ".png"}], ['"a.png"'], ['"a.PNG"']),
        ([{"suffix": {"equals-ignore-case": ".png"}}], ['"a.PNG"'], ['"a.jpg"']),
        ([{"equals-ignore-case": "Alice"}], ['"aLICE"'], ['"bob"']),
        ([{"wildcard": "a*b*"}], ['"ab"', '"axxbxx"'], ['"ba"']),
        ([{"cidr": "10.0.0.0/24"}], ['"10.0.0.7"'], ['"10.0.1.7"', '"no address"']),
        ([{"anything-but": ["Raining"]}], ['"Sunny"', "1"], ['"Raining"']),
        ([{"anything-but": "a"}], ['"b"'], ['"a"']),
        ([{"anything-but": {"prefix": "a"}}], ['"b"'], ['"ab"']),
        ([{"anything-but": {"suffix": ["a", "b"]}}], ['"ac"'], ['"ca"', '"cb"']),
        ([{"anything-but": {"equals-ignore-case": "a"}}], ['"b"'], ['"A"']),
        ([{"anything-but": {"wildcard": "*a"}}], ['"b"'], ['"ba"']),
        ([{"numeric": ["=", 100]}], ["100", "100.0", "1e2"], ["101", '"100"']),
        ([{"numeric": [">", 10, "<=", 20]}], ["11", "20", "10.1"], ["10", "20.5"]),
        ([{"exists": True}], ["null", "1", '"a"'], ["{}", "[]"]),
    ],
)
def test_a_rule_matches_what_eventbridge_says(rules: Any, matching: list[str], other: list[str]) -> None:
    for value in matching:
        assert matches({"field": rules}, f'{{"field": {value}}}'), value
    for value in other:
        assert not matches({"field": rules}, f'{{"field": {value}}}'), value
    assert not matches({"field": rules}, "{}")


def test_a_field_that_must_not_exist_matches_where_there_is_no_leaf() -> None:
    pattern = {"a": {"b": [{"exists": False}]}}
    assert matches(pattern, '{"a": {}}')
    assert matches(pattern, "{}")
    assert not matches(pattern, '{"a": {"b": null}}')


def test_fields_are_all_needed_and_alternatives_are_not() -> None:
    pattern = {"a": ["x"], "$or": [{"b": [1]}, {"c": [{"prefix": "y"}]}]}
    assert matches(pattern, '{"a": "x", "b": 1}')
    assert matches(pattern, '{"a": "x", "c": "yes"}')
    assert not matches(pattern, '{"a": "x"}')
    assert not matches(pattern, '{"b": 1}')


def test_fields_of_one_item_of_a_list_belong_together() -> None:
    pattern = {"items": {"kind": ["a"], "size": [1]}}
    assert matches(pattern, '{"items": [{"kind": "b", "size": 1}, {"kind": "a", "size": 1}]}')
    assert not matches(pattern, '{"items": [{"kind": "b", "size": 1}, {"kind": "a", "size": 2}]}')


@pytest.mark.parametrize(
    "pattern",
    [
        {},
        [],
        {"a": "b"},
        {"a": []},
        {"a": [["b"]]},
        {"a": [{"numeric": [">"]}]},
        {"a": [{"numeric": ["!", 1]}]},
        {"a": [{"numeric": [">", "1"]}]},
        {"a": [{"exists": "yes"}]},
        {"a": [{"prefix": 1}]},
        {"a": [{"like": "b"}]},
        {"a": [{"prefix": "a", "suffix": "b"}]},
        {"a": [{"anything-but": {"numeric": ["=", 1]}}]},
        {"a": [{"cidr": "everywhere"}]},
        {"$or": {}},
    ],
)
def test_a_pattern_that_aws_would_refuse_is_an_error(pattern: Any) -> None:
    with pytest.raises(TemplateError, match="filter pattern"):
        compile_pattern(parse_json(json.dumps(pattern)))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(st.dictionaries(st.text(min_size=1), JSON, min_size=1))
def test_any_document_is_matched_or_not_without_an_error(document: dict[str, Any]) -> None:
    text = json.dumps(document)
    for name in document:
        if name != "$or":
            is_leaf = compile_pattern({name: [{"exists": True}]})(parse_json(text))
            is_none = compile_pattern({name: [{"exists": False}]})(parse_json(text))
            assert is_leaf is not is_none


@dataclass(frozen=True)
class Record:
    value: bytes | None
    key: bytes | None = None
    topic: str = "orders"
    partition: int = 0
    offset: int = 15
    timestamp: int = 1545084650987
    timestamp_type: int = 0
    headers: tuple[tuple[str, bytes | None], ...] = ()


@pytest.mark.parametrize(
    ("pattern", "value", "wanted"),
    [
        ('{"value": {"kind": ["a"]}}', b'{"kind": "a"}', True),
        ('{"value": {"kind": ["a"]}}', b'{"kind": "b"}', False),
        ('{"value": [{"anything-but": ["error"]}]}', b"fine", True),
        ('{"value": [{"anything-but": ["error"]}]}', b"error", False),
        # Of another format than the pattern, or no UTF-8: metadata alone counts, and there is none of it.
        ('{"value": {"kind": ["a"]}}', b"plain text", True),
        ('{"value": ["a"]}', b'{"kind": "a"}', True),
        ('{"value": {"kind": ["a"]}}', b"\xff\xfe", True),
        ('{"value": {"kind": ["a"]}, "offset": [16]}', b"plain text", False),
        ('{"value": {"kind": ["a"]}, "offset": [15]}', b'{"kind": "a"}', True),
        ('{"value": {"kind": ["a"]}}', None, False),
        ('{"value": [{"exists": false}]}', None, True),
    ],
)
def test_a_record_is_wanted_by_its_value(pattern: str, value: bytes | None, wanted: bool) -> None:
    assert KafkaFilter([pattern]).wants(Record(value)) is wanted


def test_a_record_is_wanted_by_its_key_and_by_one_of_several_patterns() -> None:
    by_key = KafkaFilter(['{"key": [{"prefix": "eu-"}]}', '{"value": {"urgent": [true]}}'])
    assert by_key.wants(Record(b"{}", b"eu-1"))
    assert by_key.wants(Record(b'{"urgent": true}', b"us-1"))
    assert not by_key.wants(Record(b'{"urgent": false}', b"us-1"))


@pytest.mark.parametrize("patterns", [["not json"], ['{"value": "a"}'], ['{"value": ["a"]}'] * 11])
def test_criteria_that_aws_would_refuse_are_an_error(patterns: list[str]) -> None:
    with pytest.raises(TemplateError):
        KafkaFilter(patterns)
