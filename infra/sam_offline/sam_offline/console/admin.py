"""The admin port: metrics for Prometheus, a status page, and controls.

GET /metrics · GET /status · POST /schedules/{name}/trigger · POST /sources/{id}/pause · POST /sources/{id}/resume
GET /clock · POST /clock {"advance_seconds": 60} · POST /stop
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import CollectorRegistry

from sam_offline.errors import UnknownFunction, UnknownSchedule, UnknownSource
from sam_offline.http_server import JSON_HEADERS, BodyTooLarge, Receive, Scope, Send, read_body, respond
from sam_offline.sources import EventSources

_PAUSE_TIMEOUT_SECONDS = 30.0
_MAXIMUM_BODY_BYTES = 4096


class AdminApi:
    """The ASGI application of the admin port."""

    def __init__(
        self,
        registry: CollectorRegistry,
        sources: EventSources,
        status: Callable[[], dict[str, Any]],
        ask_to_stop: Callable[[], None],
    ) -> None:
        self._registry = registry
        self._sources = sources
        self._status = status
        self._ask_to_stop = ask_to_stop

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        match (scope["method"], *scope["raw_path"].decode("latin-1").strip("/").split("/")):
            case ("GET", "metrics"):
                headers = [(b"content-type", CONTENT_TYPE_LATEST.encode())]
                await respond(send, 200, headers, generate_latest(self._registry))
            case ("GET", "status"):
                await _answer(send, 200, self._status())
            case ("POST", "schedules", name, "trigger"):
                await self._trigger(send, unquote(name))
            case ("POST", "sources", name, "pause" | "resume" as action):
                await self._pause_or_resume(send, unquote(name), action)
            case ("GET", "clock"):
                await _answer(send, 200, {"now": self._sources.clock.now().isoformat()})
            case ("POST", "clock"):
                await self._move_clock(receive, send)
            case ("POST", "stop"):
                await _answer(send, 202, {"stopping": True})
                self._ask_to_stop()
            case _:
                await _answer(send, 404, {"error": "no such resource"})

    async def _trigger(self, send: Send, name: str) -> None:
        try:
            self._sources.scheduler.trigger(name)
        except UnknownSchedule:
            await _answer(send, 404, {"error": f"no schedule {name}"})
        except UnknownFunction:
            await _answer(send, 404, {"error": f"{name}: its function is not in the template any more"})
        else:
            await _answer(send, 202, {"triggered": name})

    async def _pause_or_resume(self, send: Send, name: str, action: str) -> None:
        try:
            if action == "pause":
                await self._sources.pause(name, _PAUSE_TIMEOUT_SECONDS)
            else:
                await self._sources.resume(name)
        except UnknownSource:
            await _answer(send, 404, {"error": f"no Kafka source {name}"})
        else:
            await _answer(send, 200, {"source": name, "state": "paused" if action == "pause" else "running"})

    async def _move_clock(self, receive: Receive, send: Send) -> None:
        try:
            seconds = float(json.loads(await read_body(receive, _MAXIMUM_BODY_BYTES))["advance_seconds"])
            now = await self._sources.clock.move(seconds)
        except (BodyTooLarge, ValueError, TypeError, KeyError, OverflowError):
            await _answer(send, 400, {"error": "advance_seconds: must be a number of seconds from 0"})
        else:
            await _answer(send, 200, {"now": now.isoformat()})


async def _answer(send: Send, status: int, content: dict[str, Any]) -> None:
    await respond(send, status, JSON_HEADERS, json.dumps(content).encode() + b"\n")
