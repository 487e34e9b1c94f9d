"""The status page, as GET /status returns it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sam_offline.console.statistics import Statistics
from sam_offline.execution.pool import Pool
from sam_offline.sources import EventSources
from sam_offline.sources.kafka.source import KafkaEventSource


def describe(
    pools: Mapping[str, Pool],
    statistics: Statistics,
    sources: EventSources,
    endpoints: Mapping[str, str],
) -> dict[str, Any]:
    """Return the state of a runner as plain JSON values."""
    return {
        "endpoints": dict(endpoints),
        "functions": {name: _function(pool, statistics) for name, pool in pools.items()},
        "event_sources": {item.source.logical_id: _event_source(item) for item in sources.kafka_sources},
        "schedules": {
            schedule.name: {
                "expression": schedule.expression,
                "function": schedule.function_name,
                "enabled": schedule.enabled,
                "fired": sources.scheduler.fired[schedule.logical_id],
                "next": _moment(sources.scheduler.next_due(schedule)),
            }
            for schedule in sources.scheduler.schedules
        },
    }


def _function(pool: Pool, statistics: Statistics) -> dict[str, Any]:
    figures = statistics.of(pool.function.name)
    return {
        "environments": pool.environment_count,
        "idle": pool.idle_count,
        "limit": pool.limit,
        "waiting": pool.waiting_count,
        "invocations": figures.invocations,
        "errors": sum(figures.errors.values()),
        "p50_ms": figures.percentile_ms(0.5),
        "p95_ms": figures.percentile_ms(0.95),
    }


def _event_source(kafka_source: KafkaEventSource) -> dict[str, Any]:
    lanes, progress = kafka_source.lanes, kafka_source.progress
    return {
        "topics": list(kafka_source.source.topics),
        "function": kafka_source.source.function_name,
        "state": kafka_source.state,
        "connected": kafka_source.connected,
        "pollers": kafka_source.poller_count,
        "partitions": len(lanes),
        "processed": progress.processed,
        "filtered": progress.filtered,
        "given_up": progress.given_up,
        "retries": progress.retries,
        "lag": sum(lane.lag for lane in lanes),
    }


def _moment(moment: datetime | None) -> str | None:
    return None if moment is None else f"{moment:%Y-%m-%dT%H:%M:%SZ}"
