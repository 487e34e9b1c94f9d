"""What GET /status shows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from .kafka_source import KafkaPoller
from .pool import Pool
from .schedules import Scheduler
from .statistics import Statistics


def describe(
    pools: Mapping[str, Pool],
    statistics: Statistics,
    pollers: Iterable[KafkaPoller],
    scheduler: Scheduler,
    endpoints: Mapping[str, str],
) -> dict[str, Any]:
    """Return the state of a runner as plain JSON values."""
    return {
        "endpoints": dict(endpoints),
        "functions": {name: _function(pool, statistics) for name, pool in pools.items()},
        "event_sources": {poller.source.logical_id: _event_source(poller) for poller in pollers},
        "schedules": {
            schedule.name: {
                "expression": schedule.expression,
                "function": schedule.function_name,
                "enabled": schedule.enabled,
                "fired": scheduler.fired[schedule.logical_id],
            }
            for schedule in scheduler.schedules
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


def _event_source(poller: KafkaPoller) -> dict[str, Any]:
    lanes = poller.lanes
    return {
        "topics": list(poller.source.topics),
        "function": poller.source.function_name,
        "connected": poller.connected,
        "partitions": len(lanes),
        "processed": sum(lane.processed for lane in lanes),
        "retries": sum(lane.retries for lane in lanes),
        "lag": sum(lane.lag for lane in lanes),
    }
