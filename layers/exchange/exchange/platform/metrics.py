"""Metrics in CloudWatch's embedded metric format on standard output, through Powertools."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from functools import cache
from typing import Any

from aws_lambda_powertools.metrics import Metrics, MetricUnit

from exchange.platform.log import only_allowed

NAMESPACE = "Exchange"


@cache
def _metrics(service: str) -> Metrics:
    return Metrics(namespace=NAMESPACE, service=service)


def _flush(metrics: Metrics, beside: dict[str, Any] | None = None) -> None:
    # One write. Powertools would print, which is two writes to the runtime's unbuffered stdout: line and line feed.
    line = json.dumps(metrics.serialize_metric_set(metadata=beside), separators=(",", ":"))
    metrics.clear_metrics()
    sys.stdout.write(f"{line}\n")


def record_request(service: str, route: str, status: int, duration_ms: float, **keys: str | None) -> None:
    """Record an answered HTTP request: its metrics and its log line in one, with those `keys` that the log allows.

    EMF is a log line that may hold more than metrics; two lines would cost twice, here and in CloudWatch.
    """
    metrics = _metrics(service)
    metrics.add_dimension("route", route)
    metrics.add_dimension("status", str(status))
    metrics.add_metric("Requests", MetricUnit.Count, 1)
    metrics.add_metric("RequestDuration", MetricUnit.Milliseconds, duration_ms)
    _flush(metrics, only_allowed({"level": "INFO", "message": "request answered", **keys}))


def record_counts(service: str, counts: Mapping[str, int]) -> None:
    """Record the counts of one run of a function by name."""
    metrics = _metrics(service)
    for name, value in counts.items():
        metrics.add_metric(name, MetricUnit.Count, value)
    _flush(metrics)


def record_gauges(service: str, gauges: Mapping[str, float]) -> None:
    """Record gauges by name: states at this moment, not sums."""
    metrics = _metrics(service)
    for name, value in gauges.items():
        metrics.add_metric(name, MetricUnit.NoUnit, value)
    _flush(metrics)
