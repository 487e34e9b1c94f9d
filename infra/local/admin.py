"""The runner's own port: figures for Prometheus, a status for people, and the handles to pull.

GET /metrics · GET /status · POST /schedules/{name}/trigger · POST /stop
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import CollectorRegistry

from .errors import UnknownSchedule
from .http_server import JSON_HEADERS, Receive, Scope, Send, respond
from .schedules import Scheduler


class AdminApi:
    """The ASGI callable."""

    def __init__(
        self,
        registry: CollectorRegistry,
        scheduler: Scheduler,
        status: Callable[[], dict[str, Any]],
        ask_to_stop: Callable[[], None],
    ) -> None:
        self._registry = registry
        self._scheduler = scheduler
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
            case ("POST", "stop"):
                await _answer(send, 202, {"stopping": True})
                self._ask_to_stop()
            case _:
                await _answer(send, 404, {"error": "no such resource"})

    async def _trigger(self, send: Send, name: str) -> None:
        try:
            self._scheduler.trigger(name)
        except UnknownSchedule:
            await _answer(send, 404, {"error": f"no schedule {name}"})
        else:
            await _answer(send, 202, {"triggered": name})


async def _answer(send: Send, status: int, content: dict[str, Any]) -> None:
    await respond(send, status, JSON_HEADERS, json.dumps(content).encode() + b"\n")
