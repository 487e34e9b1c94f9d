"""An HTTP server for ASGI applications in the running event loop."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, cast

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from sam_offline.errors import PortTaken

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

JSON_HEADERS: Headers = [(b"content-type", b"application/json")]


class BodyTooLarge(Exception):
    """The request's body is longer than the limit."""


class _Protocol(HttpToolsProtocol):
    """uvicorn's protocol, extended by `scope["header_names"]`: the header names as they were sent.

    A REST API passes them on unchanged, while ASGI has them in lower case.
    """

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._header_names: list[bytes] = []
        cast(Scope, self.scope)["header_names"] = self._header_names

    def on_header(self, name: bytes, value: bytes) -> None:
        self._header_names.append(name)
        super().on_header(name, value)


class HttpServer:
    """A server for one ASGI application. It uses uvicorn's protocol only: uvicorn's server takes over the signals."""

    def __init__(self, app: App, host: str, port: int, what: str) -> None:
        self._app = app
        self._host = host
        self._wanted_port = port
        self._what = what
        self._state = ServerState()
        self.port = 0

    async def start(self) -> None:
        """Listen. Raises PortTaken."""
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((self._host, self._wanted_port))
        except OSError as error:
            listener.close()
            if error.errno != errno.EADDRINUSE:
                raise
            message = f"Port {self._wanted_port}, wanted for {self._what}, is used by another program"
            raise PortTaken(message) from error
        self.port = listener.getsockname()[1]
        config = uvicorn.Config(
            self._call,
            interface="asgi3",
            http="httptools",
            ws="none",
            lifespan="off",
            access_log=False,
            proxy_headers=False,
            log_config=None,
            timeout_keep_alive=75,
        )
        config.load()
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: _Protocol(config, self._state, {}, loop), sock=listener, backlog=2048
        )

    def replace(self, app: App) -> None:
        """Hand new requests to another application from now on."""
        self._app = app

    async def stop(self, timeout_seconds: float) -> None:
        """Wait for running requests until the time-out, then close the rest."""
        self._server.close()
        for connection in list(self._state.connections):
            connection.shutdown()
        if self._state.tasks:
            await asyncio.wait(set(self._state.tasks), timeout=timeout_seconds)
        cut = set(self._state.tasks)
        for task in cut:
            task.cancel()
        await asyncio.gather(*cut, return_exceptions=True)

    async def _call(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)


async def read_body(receive: Receive, limit_bytes: int) -> bytes:
    """Return the whole body. Raises BodyTooLarge once it is longer than the limit."""
    message = await receive()
    body: bytes = message.get("body", b"")
    if message.get("more_body", False):
        parts, size = [body], len(body)
        while message.get("more_body", False):
            message = await receive()
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            if size > limit_bytes:
                raise BodyTooLarge
        body = b"".join(parts)
    if len(body) > limit_bytes:
        raise BodyTooLarge
    return body


async def respond(send: Send, status: int, headers: Headers, body: bytes) -> None:
    """Send a complete response."""
    if status not in (204, 304):
        headers = [*headers, (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
