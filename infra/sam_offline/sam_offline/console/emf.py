"""Prometheus series made from log lines in CloudWatch's embedded metric format (EMF).

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

_SECONDS = {"Seconds": 1.0, "Milliseconds": 1e-3, "Microseconds": 1e-6}
_UNSAFE = re.compile(r"[^a-zA-Z0-9_]+")
_WORD_START = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")

Labels = tuple[tuple[str, str], ...]


@dataclass(slots=True)
class _Series:
    count: int = 0
    total: float = 0.0
    last: float = 0.0


@dataclass(slots=True)
class _Family:
    kind: str
    series: dict[Labels, _Series] = field(default_factory=dict)


class EmfSeries(Collector):
    """The metrics that functions report: a Count is a counter, a time a summary in seconds, the rest gauges.

    There is one series for each set of dimensions, as in CloudWatch; `function` is always a label.
    """

    def __init__(self) -> None:
        self._families: dict[str, _Family] = {}

    def count(self, function_name: str, line: str) -> bool:
        """Add the metrics of a log line, and return whether it held any."""
        try:
            document = json.loads(line)
            directives = document["_aws"]["CloudWatchMetrics"]
            for directive in directives:
                self._take(function_name, document, directive)
        except (ValueError, LookupError, TypeError, AttributeError):
            # Any line may look like EMF: one that breaks the format is only a log line.
            return False
        return True

    def _take(self, function_name: str, document: Mapping[str, Any], directive: Mapping[str, Any]) -> None:
        for dimensions in directive.get("Dimensions") or [[]]:
            labels = {"function": function_name, **{_name(key): str(document[key]) for key in dimensions}}
            key = tuple(sorted(labels.items()))
            for metric in directive["Metrics"]:
                value = document[metric["Name"]]
                values = [float(item) for item in (value if isinstance(value, list) else [value])]
                self._add(
                    f"{directive['Namespace']}_{metric['Name']}", metric.get("Unit", "None"), key, values
                )

    def _add(self, raw_name: str, unit: str, labels: Labels, values: list[float]) -> None:
        name, kind, scale = _name(raw_name), "gauge", 1.0
        if unit == "Count":
            kind = "counter"
        elif unit in _SECONDS:
            kind, scale = "summary", _SECONDS[unit]
            name = f"{name.removesuffix('_seconds')}_seconds"
        family = self._families.setdefault(name, _Family(kind))
        series = family.series.setdefault(labels, _Series())
        series.count += len(values)
        series.total += sum(values) * scale
        series.last = values[-1] * scale

    def collect(self) -> Iterable[Metric]:
        for name, family in sorted(self._families.items()):
            metric = Metric(name, "Reported by functions in EMF.", family.kind)
            for labels, series in family.series.items():
                if family.kind == "counter":
                    metric.add_sample(f"{name}_total", dict(labels), series.total)
                elif family.kind == "gauge":
                    metric.add_sample(name, dict(labels), series.last)
                else:
                    metric.add_sample(f"{name}_count", dict(labels), series.count)
                    metric.add_sample(f"{name}_sum", dict(labels), series.total)
            yield metric


def _name(text: str) -> str:
    """Return a name in Prometheus's form: `IngestAccepted` becomes `ingest_accepted`."""
    return _UNSAFE.sub("_", _WORD_START.sub("_", text)).strip("_").lower()
