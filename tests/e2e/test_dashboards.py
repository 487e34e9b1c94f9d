"""Every query in every Grafana dashboard uses series and labels that the running exchange exposes."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from pathlib import Path
from typing import Any

import promql_parser
import pytest
from prometheus_client.parser import text_string_to_metric_families

from infra.cli.commands.up import EXAMPLE_BODY
from tests.e2e.running_system import RunningSystem, send, wait_until

DASHBOARDS = Path(__file__).parents[2] / "infra" / "grafana" / "dashboards"
QUERIES = [
    pytest.param(target, id=f"{path.stem} - {panel['title']} - {target['refId']}")
    for path in sorted(DASHBOARDS.glob("*.json"))
    for panel in json.loads(path.read_text("utf-8"))["panels"]
    for target in panel["targets"]
]

Series = dict[str, set[str]]


def pages(system: RunningSystem) -> str:
    """Return the pages that Prometheus scrapes: the exchange's and the runner's."""
    addresses = (system.addresses.ingest, system.addresses.admin)
    return "".join(send(address, "GET", "/metrics").body.decode() for address in addresses)


@pytest.fixture(scope="module")
def exposed(system: RunningSystem) -> Series:
    """Return the labels by series, after a record has passed through the whole system."""
    headers = [
        ("Authorization", "Bearer dev"),
        ("Content-Type", "application/json"),
        ("Idempotency-Key", "a-record-to-be-counted"),
    ]
    answer = send(system.addresses.ingest, "POST", "/v1/ingest", headers, EXAMPLE_BODY.encode())
    assert answer.status == 202
    wait_until(lambda: "exchange_canonical_total{" in pages(system), "normalize has told of its batch")
    wait_until(lambda: "exchange_open_findings{" in pages(system), "reconcile's schedule has run")
    series: Series = defaultdict(set)
    for family in text_string_to_metric_families(pages(system)):
        # A family without a series is exposed, too, such as lambda_errors before the first error.
        series[f"{family.name}_total" if family.type == "counter" else family.name] |= set()
        for sample in family.samples:
            series[sample.name] |= sample.labels.keys()
    return series


def labels_by_series(expression: str) -> Series:
    """Return the series that an expression names, with the labels that it uses."""
    found: Series = defaultdict(set)
    groups: list[set[str]] = [set()]

    def enter(node: Any) -> bool:
        if isinstance(node, promql_parser.AggregateExpr):
            groups.append(set(node.modifier.labels) if node.modifier else set())
        selector = node.vector_selector if isinstance(node, promql_parser.MatrixSelector) else node
        if isinstance(selector, promql_parser.VectorSelector):
            found[selector.name or ""] |= {matcher.name for matcher in selector.matchers.matchers} | groups[
                -1
            ]
        return True

    def leave(node: Any) -> bool:
        if isinstance(node, promql_parser.AggregateExpr):
            groups.pop()
        return True

    promql_parser.walk(promql_parser.parse(expression), enter, leave)
    return found


def test_the_labels_of_a_query_are_found() -> None:
    query = 'sum by (a) (rate(x{b="1"}[5m])) / sum(y) or vector(0)'
    assert labels_by_series(query) == {"x": {"a", "b"}, "y": set()}


@pytest.mark.parametrize("target", QUERIES)
def test_a_panel_shows_something_that_exists(exposed: Series, target: dict[str, Any]) -> None:
    asked = labels_by_series(target["expr"])
    assert asked
    assert asked.keys() - exposed.keys() == set()
    for name, labels in asked.items():
        # The labels of a family without a series are unknown.
        assert not exposed[name] or labels - exposed[name] == set(), name
    shown = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
    known = set().union(*(exposed[name] | asked[name] for name in asked))
    assert shown <= known
