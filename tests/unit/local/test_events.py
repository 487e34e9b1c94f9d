from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest
from prometheus_client.registry import CollectorRegistry

from infra.local.emf import EmfSeries
from infra.local.errors import TemplateError
from infra.local.kafka_event import encode_event, encode_record, first_failed_offset
from infra.local.model import HttpRoute
from infra.local.routes import RouteTable
from infra.local.schedules import rate_seconds


@dataclass(frozen=True)
class Record:
    topic: str = "orders"
    partition: int = 0
    offset: int = 15
    timestamp: int = 1545084650987
    timestamp_type: int = 0
    key: bytes | None = b"abc"
    value: bytes | None = b"hello"
    headers: tuple[tuple[str, bytes | None], ...] = (("trace", b"\x01\xff"), ("trace", None))


def test_a_kafka_event_has_the_shape_of_lambdas() -> None:
    event = json.loads(encode_event("orders-0", ("a:1", "b:2"), [encode_record(Record())]))
    assert event == {
        "eventSource": "aws:SelfManagedKafka",
        "bootstrapServers": "a:1,b:2",
        "records": {
            "orders-0": [
                {
                    "topic": "orders",
                    "partition": 0,
                    "offset": 15,
                    "timestamp": 1545084650987,
                    "timestampType": "CREATE_TIME",
                    "key": "YWJj",
                    "value": "aGVsbG8=",
                    "headers": [{"trace": [1, 255]}, {"trace": []}],
                }
            ]
        },
    }


def test_a_null_key_or_value_is_left_out() -> None:
    record = json.loads(encode_record(Record(key=None, value=None)).json)
    assert "key" not in record
    assert "value" not in record


def failure(partition: Any, offset: Any) -> dict[str, Any]:
    return {"itemIdentifier": {"partition": partition, "offset": offset}}


@pytest.mark.parametrize(
    ("answer", "failed_offset"),
    [
        (None, None),
        ({}, None),
        ({"batchItemFailures": []}, None),
        ({"batchItemFailures": None}, None),
        ({"batchItemFailures": [failure("orders-0", 7), failure("orders-0", 6)]}, 6),
        ({"batchItemFailures": [failure("orders-1", 7)]}, 5),
        ({"batchItemFailures": [failure("orders-0", 99)]}, 5),
        ({"batchItemFailures": [failure("orders-0", [7])]}, 5),
        ({"batchItemFailures": [{"itemIdentifier": ""}]}, 5),
        ({"batchItemFailures": "all"}, 5),
        ("all went well", 5),
    ],
)
def test_the_lowest_failed_offset_is_found_or_the_whole_batch_fails(
    answer: Any, failed_offset: int | None
) -> None:
    assert first_failed_offset(json.dumps(answer).encode(), "orders-0", [5, 6, 7]) == failed_offset


ROUTES = RouteTable(
    HttpRoute(method, path, path)
    for method, path in [
        ("GET", "/a/{x}"),
        ("GET", "/a/b"),
        ("ANY", "/{proxy+}"),
        ("POST", "/a/{x}/c"),
        ("GET", "/a/{x}/{rest+}"),
    ]
)


@pytest.mark.parametrize(
    ("method", "path", "route"),
    [
        ("GET", "/a/b", "/a/b"),
        ("GET", "/a/z", "/a/{x}"),
        ("POST", "/a/z/c", "/a/{x}/c"),
        ("GET", "/a/z/d/e", "/a/{x}/{rest+}"),
        ("DELETE", "/q/r", "/{proxy+}"),
        ("DELETE", "/a/b", None),
        ("GET", "/", None),
    ],
)
def test_the_most_definite_route_is_taken(method: str, path: str, route: str | None) -> None:
    found = ROUTES.find(method, path)
    assert (found and found[0].path) == route


@pytest.mark.parametrize(
    ("expression", "seconds"),
    [("rate(1 minute)", 60), ("rate(5 minutes)", 300), ("rate(2 hours)", 7200), ("cron(0 12 * * ? *)", None)],
)
def test_a_rate_is_a_period(expression: str, seconds: float | None) -> None:
    assert rate_seconds(expression) == seconds


@pytest.mark.parametrize("expression", ["rate(0 minutes)", "rate(minute)", "rate(1 fortnight)"])
def test_what_is_no_rate_is_an_error(expression: str) -> None:
    with pytest.raises(TemplateError):
        rate_seconds(expression)


@pytest.mark.parametrize(
    "line", ["{}", "{not json", '{"_aws": {}}', '{"_aws": {"CloudWatchMetrics": [{}]}}', "[]"]
)
def test_a_line_that_only_looks_like_metrics_is_no_metric(line: str) -> None:
    assert not EmfSeries().count("F", line)


def test_metrics_keep_a_series_for_each_dimension_set() -> None:
    series, registry = EmfSeries(), CollectorRegistry()
    registry.register(series)
    directive = {
        "Namespace": "N",
        "Dimensions": [["a"], ["a", "b"]],
        "Metrics": [{"Name": "Done", "Unit": "Count"}],
    }
    line = json.dumps({"_aws": {"CloudWatchMetrics": [directive]}, "a": "1", "b": "2", "Done": 3})
    assert series.count("F", line)
    assert registry.get_sample_value("n_done_total", {"function": "F", "a": "1"}) == 3
    assert registry.get_sample_value("n_done_total", {"function": "F", "a": "1", "b": "2"}) == 3
