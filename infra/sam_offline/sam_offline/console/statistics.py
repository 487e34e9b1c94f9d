"""The runner's own series for Prometheus: invocations, environments and event sources."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from prometheus_client import Histogram
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector, CollectorRegistry

from sam_offline.execution.pool import Pool
from sam_offline.execution.statistics import FunctionStatistics
from sam_offline.sources import EventSources

_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900)


class Statistics(Collector):
    """The collector of the runner's series; all but the duration histogram are computed when asked for."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._durations = Histogram(
            "lambda_duration_seconds",
            "Duration of invocations.",
            ["function"],
            registry=registry,
            buckets=_BUCKETS,
        )
        self._functions: dict[str, FunctionStatistics] = {}
        self._pools: Mapping[str, Pool] = {}
        self._sources: EventSources | None = None
        registry.register(self)

    def watch(self, pools: Mapping[str, Pool], sources: EventSources) -> None:
        """Report on these pools and sources from now on."""
        self._pools, self._sources = pools, sources

    def of(self, function_name: str) -> FunctionStatistics:
        """Return the statistics of a function, by name."""
        if function_name not in self._functions:
            observe = self._durations.labels(function_name).observe
            self._functions[function_name] = FunctionStatistics(observe)
        return self._functions[function_name]

    def collect(self) -> Iterable[Metric]:
        invocations = CounterMetricFamily(
            "lambda_invocations", "Invocations that ended.", labels=["function"]
        )
        errors = CounterMetricFamily(
            "lambda_errors", "Invocations that failed.", labels=["function", "error"]
        )
        environments = GaugeMetricFamily(
            "lambda_environments", "Execution environments.", labels=["function", "state"]
        )
        waiting = GaugeMetricFamily("lambda_waiting", "Invocations that wait.", labels=["function"])
        for name, statistics in self._functions.items():
            invocations.add_metric([name], statistics.invocations)
            for kind, count in statistics.errors.items():
                errors.add_metric([name, kind], count)
        for name, pool in self._pools.items():
            environments.add_metric([name, "idle"], pool.idle_count)
            environments.add_metric([name, "busy"], pool.environment_count - pool.idle_count)
            waiting.add_metric([name], pool.waiting_count)
        yield from (invocations, errors, environments, waiting)
        yield from self._event_sources()

    def _event_sources(self) -> Iterable[Metric]:
        labels = ["source", "partition"]
        processed = CounterMetricFamily("event_source_records", "Records that succeeded.", labels=labels)
        filtered = CounterMetricFamily("event_source_filtered", "Records no filter wants.", labels=labels)
        given_up = CounterMetricFamily("event_source_given_up", "Records given up.", labels=labels)
        retries = CounterMetricFamily("event_source_retries", "Batches tried again.", labels=labels)
        lag = GaugeMetricFamily("event_source_lag", "Records fetched that are not done.", labels=labels)
        for kafka_source in self._sources.kafka_sources if self._sources else ():
            for lane in kafka_source.lanes:
                values = [kafka_source.source.logical_id, lane.name]
                processed.add_metric(values, lane.processed)
                filtered.add_metric(values, lane.filtered)
                given_up.add_metric(values, lane.given_up)
                retries.add_metric(values, lane.retries)
                lag.add_metric(values, lane.lag)
        yield from (processed, filtered, given_up, retries, lag)
