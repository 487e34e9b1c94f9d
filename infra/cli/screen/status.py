"""The view of a system's state that `exchange status` shows: tables, and what needs attention."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from infra.cli.names import short_name

State = Mapping[str, Any]


def view(state: State, before: State | None = None, *, edges: bool = True) -> RenderableType:
    """Return the whole view, 80 columns wide with names as long as ours. Rates are counted from the state `before`."""
    notices = attention(state)
    lines = [Text(line, style="bold red") for line in notices] or [
        Text("Nothing needs attention.", style="green")
    ]
    tables = (_functions(state, before), _event_sources(state), _schedules(state), _services(state))
    shown = [_table(edges, *table) for table in tables if table[1]]
    # Without edges nothing else keeps the tables apart.
    parts = shown if edges else [part for table in shown for part in (Text(), table)]
    return Group(Text(_headline(state)), *lines, *parts)


def attention(state: State) -> list[str]:
    """Return what needs attention, worst first, and where to look."""
    notices = [
        f"{service['name']} is {service['state']} after {service['restarts']} restarts; see its log"
        for service in state["services"]
        if service["state"] != "ready"
    ]
    for name, source in state["event_sources"].items():
        if source["state"] == "running" and not source["connected"]:
            notices.append(f"{name} does not reach Kafka")
        if source["given_up"]:
            notices.append(f"{name} has given up {source['given_up']:,} records")
    for name, function in state["functions"].items():
        if function["errors"]:
            failed = f"{function['errors']:,} of {function['invocations']:,} invocations failed"
            notices.append(f"{short_name(name)}: {failed}; see: exchange logs {short_name(name)}")
    return notices


def _headline(state: State) -> str:
    now = datetime.fromisoformat(state["at"])
    return (
        f"The exchange, process {state['pid']}, up {_since(state['started_at'], now)}: {state['ingest']}"
        f"    {now:%H:%M:%S} UTC"
    )


_Rows = tuple[tuple[str, ...], list[tuple[Any, ...]]]


def _functions(state: State, before: State | None) -> _Rows:
    return (
        ("FUNCTION", "running", "busy", "waiting", "invoked", "per s", "errors", "p50 ms", "p95 ms"),
        [
            (
                short_name(name),
                f"{function['environments']}/{function['limit']}",
                function["environments"] - function["idle"],
                _warn(function["waiting"]),
                function["invocations"],
                _rate(name, state, before),
                _warn(function["errors"]),
                _milliseconds(function["p50_ms"]),
                _milliseconds(function["p95_ms"]),
            )
            for name, function in state["functions"].items()
        ],
    )


def _event_sources(state: State) -> _Rows:
    return (
        ("EVENT SOURCE", "topic", "state", "backlog", "processed", "retries"),
        [
            (
                name,
                " ".join(source["topics"]),
                _reading(source),
                source["lag"],
                source["processed"],
                source["retries"],
            )
            for name, source in state["event_sources"].items()
        ],
    )


def _reading(source: Mapping[str, Any]) -> str | Text:
    if source["state"] == "paused":
        return Text("paused", "yellow")
    return "running" if source["connected"] else Text("no Kafka", "red")


def _schedules(state: State) -> _Rows:
    return (
        ("SCHEDULE", "expression", "function", "fired", "next, UTC"),
        [
            (
                short_name(name.removeprefix(schedule["function"])),
                schedule["expression"] if schedule["enabled"] else f"{schedule['expression']}, off",
                short_name(schedule["function"]),
                schedule["fired"],
                schedule["next"] and f"{datetime.fromisoformat(schedule['next']):%d %b %H:%M:%S}",
            )
            for name, schedule in state["schedules"].items()
        ],
    )


def _services(state: State) -> _Rows:
    now = datetime.fromisoformat(state["at"])
    return (
        ("SERVICE", "state", "port", "pid", "restarts", "up"),
        [
            (
                service["name"],
                service["state"] if service["state"] == "ready" else Text(service["state"], "red"),
                str(service["port"]),
                service["pid"] and str(service["pid"]),
                _warn(service["restarts"]),
                service["up_since"] and _since(service["up_since"], now),
            )
            for service in state["services"]
        ],
    )


def _table(edges: bool, columns: Iterable[str], rows: list[tuple[Any, ...]]) -> Table:
    style = box.SIMPLE_HEAD if edges else None
    table = Table(box=style, padding=(0, 1 if edges else 2, 0, 0), pad_edge=False)
    cells = [[value if isinstance(value, Text) else _plain(value) for value in row] for row in rows]
    for index, column in enumerate(columns):
        is_number = all(str(row[index]).replace(".", "").replace(",", "").isdigit() for row in cells)
        table.add_column(column, justify="right" if is_number or index > 3 else "left", no_wrap=True)
    for row in cells:
        table.add_row(*row)
    return table


def _plain(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _warn(count: int) -> Text | int:
    return Text(f"{count:,}", "yellow") if count else count


def _rate(name: str, state: State, before: State | None) -> str | None:
    earlier = before and before["functions"].get(name)
    if before is None or earlier is None:
        return None
    seconds = (datetime.fromisoformat(state["at"]) - datetime.fromisoformat(before["at"])).total_seconds()
    count = state["functions"][name]["invocations"] - earlier["invocations"]
    return f"{count / seconds:,.0f}" if seconds > 0 else None


def _milliseconds(value: float | None) -> str | None:
    return None if value is None else f"{value:,.{0 if value >= 100 else 1}f}"


def _since(moment: str, now: datetime) -> str:
    minutes, seconds = divmod(int((now - datetime.fromisoformat(moment).astimezone(UTC)).total_seconds()), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min" if minutes else f"{seconds} s"
