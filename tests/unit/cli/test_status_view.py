from __future__ import annotations

import io
from typing import Any

from rich.console import Console

from infra.cli.screen.status import attention, view

FUNCTION = {
    "environments": 2,
    "idle": 1,
    "limit": 4,
    "waiting": 0,
    "invocations": 1_200,
    "errors": 0,
    "p50_ms": 4.25,
    "p95_ms": 1_234.5,
}
SOURCE = {
    "topics": ["record.ingested.v1"],
    "function": "NormalizeFunction",
    "state": "running",
    "connected": True,
    "given_up": 0,
    "processed": 5,
    "retries": 0,
    "lag": 7,
}
SCHEDULE = {
    "expression": "cron(30 2 ? * MON-FRI *)",
    "function": "OutboxPublishFunction",
    "enabled": True,
    "fired": 3,
    "next": "2026-11-26T02:30:00Z",
}
SERVICE = {
    "name": "postgres",
    "state": "ready",
    "port": 5432,
    "pid": 99,
    "restarts": 0,
    "up_since": "2026-11-25T01:00:00+00:00",
}


def state(**changes: Any) -> dict[str, Any]:
    return {
        "pid": 42,
        "ingest": "http://127.0.0.1:8080",
        "at": "2026-11-25T03:05:00.000+00:00",
        "started_at": "2026-11-25T01:00:00+00:00",
        "functions": {"OutboxPublishFunction": FUNCTION},
        "event_sources": {"NormalizeFromV1": SOURCE},
        "schedules": {
            "OutboxPublishFunctionNightly": SCHEDULE,
            "OutboxPublishFunctionOff": SCHEDULE | {"next": None},
        },
        "services": [SERVICE],
    } | changes


def shown(*states: dict[str, Any]) -> str:
    console = Console(file=io.StringIO(), width=80)
    console.print(view(*states))
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "…" not in text, "something did not fit into 80 columns"
    return str(text)


def test_a_healthy_system_shows_its_figures_and_says_that_nothing_is_wrong() -> None:
    text = shown(state())
    assert "up 2 h 5 min" in text
    assert "Nothing needs attention." in text
    function = next(line.split() for line in text.splitlines() if line.strip().startswith("outbox-publish"))
    assert function == ["outbox-publish", "2/4", "1", "0", "1,200", "-", "0", "4.2", "1,234"]


def test_a_schedule_says_when_it_fires_next() -> None:
    nightly, off = (line for line in shown(state()).splitlines() if "MON-FRI" in line)
    assert nightly.rstrip().endswith("3  26 Nov 02:30:00")
    assert off.rstrip().endswith("-")


def test_rates_are_counted_from_the_look_before() -> None:
    before = state(
        at="2026-11-25T03:04:58.000+00:00",
        functions={"OutboxPublishFunction": FUNCTION | {"invocations": 1_000}},
    )
    lines = (line.strip() for line in shown(state(), before).splitlines())
    function = next(line.split() for line in lines if line.startswith("outbox-publish"))
    assert function[5] == "100"


def test_what_fails_is_named_with_where_to_look() -> None:
    notices = attention(
        state(
            functions={"OutboxPublishFunction": FUNCTION | {"errors": 3}},
            event_sources={"NormalizeFromV1": SOURCE | {"connected": False, "given_up": 2}},
            services=[SERVICE | {"state": "waiting", "restarts": 4}],
        )
    )
    assert notices == [
        "postgres is waiting after 4 restarts; see its log",
        "NormalizeFromV1 does not reach Kafka",
        "NormalizeFromV1 has given up 2 records",
        "outbox-publish: 3 of 1,200 invocations failed; see: exchange logs outbox-publish",
    ]


def test_a_paused_source_says_so_and_needs_no_attention() -> None:
    paused = state(event_sources={"NormalizeFromV1": SOURCE | {"state": "paused", "connected": False}})
    assert attention(paused) == []
    assert "paused" in shown(paused)
