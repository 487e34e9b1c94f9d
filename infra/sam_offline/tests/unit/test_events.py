from __future__ import annotations

import asyncio
import io
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.registry import CollectorRegistry

from sam_offline.console.emf import EmfSeries
from sam_offline.gateway.routes import HttpRouteTable, RouteTable
from sam_offline.log_files import FunctionLog, Journal
from sam_offline.model import HttpRoute
from sam_offline.sources.kafka.event import encode_event, encode_record, first_failed_offset
from unit.kafka_sources import SOURCE


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
    event = json.loads(encode_event(SOURCE, "orders-0", [encode_record(Record())]))
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


def test_an_event_of_msk_names_its_cluster() -> None:
    cluster_arn = "arn:aws:kafka:us-east-1:123456789012:cluster/shop/1a-2"
    event = json.loads(encode_event(replace(SOURCE, cluster_arn=cluster_arn), "orders-0", []))
    assert (event["eventSource"], event["eventSourceArn"]) == ("aws:kafka", cluster_arn)


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


# https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-routes.html
HTTP_ROUTES = HttpRouteTable(
    HttpRoute(method, path, path)
    for method, path in [
        ("GET", "/pets/dog/1"),
        ("GET", "/pets/dog/{id}"),
        ("GET", "/pets/{proxy+}"),
        ("ANY", "/{proxy+}"),
        ("GET", "/{kind}/cat/{id}"),
        ("ANY", "$default"),
    ]
)


@pytest.mark.parametrize(
    ("method", "path", "route"),
    [
        ("GET", "/pets/dog/1", "/pets/dog/1"),
        ("GET", "/pets/dog/2", "/pets/dog/{id}"),
        ("GET", "/pets/cat/1", "/{kind}/cat/{id}"),
        ("GET", "/pets/cow/1", "/pets/{proxy+}"),
        ("POST", "/pets/dog/1", "/{proxy+}"),
        ("POST", "/test/5", "/{proxy+}"),
        ("GET", "/", "$default"),
    ],
)
def test_an_http_api_takes_the_most_definite_route_that_has_the_method(
    method: str, path: str, route: str
) -> None:
    found = HTTP_ROUTES.find(method, path)
    assert (found and found[0].path) == route


@pytest.mark.parametrize(
    "line",
    [
        "{}",
        "{not json",
        '{"_aws": {}}',
        '{"_aws": {"CloudWatchMetrics": [{}]}}',
        '{"_aws": {"CloudWatchMetrics": ["N"]}}',
        '{"_aws": {"CloudWatchMetrics": [{"Namespace": "N", "Metrics": ["Done"]}]}, "Done": 1}',
        '{"_aws": {"CloudWatchMetrics": [{"Namespace": "N", "Metrics": [{"Name": "Done"}]}]}, "Done": []}',
        "[]",
    ],
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


METRICS = '"_aws": {"CloudWatchMetrics": [{"Namespace": "N", "Metrics": [{"Name": "Done"}]}]}, "Done": 3'


def test_metrics_stay_off_the_screen_unless_they_come_with_a_message(tmp_path: Path) -> None:
    screen = io.StringIO()

    async def scenario() -> None:
        journal = Journal(tmp_path, screen)
        log = FunctionLog(journal, "F", EmfSeries().count)
        for line in (
            f"{{{METRICS}}}",
            f'{{{METRICS}, "message": "one was done"}}',
            '{"message": "no metrics"}',
        ):
            log.record("r", line)
        journal.close()

    asyncio.run(scenario())
    assert ["one was done" in line for line in screen.getvalue().splitlines()] == [True, False]
    assert len((tmp_path / "F.log").read_text().splitlines()) == 3
