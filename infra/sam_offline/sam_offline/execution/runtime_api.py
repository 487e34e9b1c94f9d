"""The Lambda Runtime API of one execution environment: https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html

A port an environment: a path prefix in AWS_LAMBDA_RUNTIME_API would break awslambdaric's init-error report.
"""

from __future__ import annotations

import asyncio
from typing import Protocol, cast

import httptools

_ACCEPTED = (
    b'HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\nContent-Length: 16\r\n\r\n{"status":"OK"}\n'
)
_NOT_FOUND = b"HTTP/1.1 404 Not Found\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
_VERSION = b"/2018-06-01/runtime/"


class RuntimeCalls(Protocol):
    """What a process tells its environment through the Runtime API."""

    def next_requested(self, connection: RuntimeConnection) -> None:
        """The process waits for an invocation on `connection`."""

    def responded(self, request_id: str, body: bytes) -> None: ...

    def failed(self, request_id: str, body: bytes) -> None: ...

    def init_failed(self, body: bytes) -> None: ...


class RuntimeConnection(asyncio.Protocol):
    """One connection of the process; awslambdaric keeps one for /next and its answers."""

    def __init__(self, calls: RuntimeCalls) -> None:
        self._calls = calls
        self._parser = httptools.HttpRequestParser(self)
        self._url = b""
        self._body: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # A cast, not a check: uvloop's transports do not derive from asyncio's.
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._transport.close()

    def on_message_begin(self) -> None:
        self._url = b""
        self._body.clear()

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_body(self, part: bytes) -> None:
        self._body.append(part)

    def on_message_complete(self) -> None:
        if not self._url.startswith(_VERSION):
            self._transport.write(_NOT_FOUND)
            return
        parts = self._url[len(_VERSION) :].split(b"/")
        if parts == [b"invocation", b"next"]:
            self._calls.next_requested(self)
            return
        # Answered first: the process goes on to /next while its answer travels to the caller.
        self._transport.write(_ACCEPTED)
        body = b"".join(self._body)
        if parts == [b"init", b"error"]:
            self._calls.init_failed(body)
        elif len(parts) == 3 and parts[2] == b"response":
            self._calls.responded(parts[1].decode(), body)
        elif len(parts) == 3 and parts[2] == b"error":
            self._calls.failed(parts[1].decode(), body)

    def send_invocation(self, headers: str, payload: bytes) -> None:
        """Answer the pending /next. awslambdaric crashes (SIGSEGV) where Content-Type is missing."""
        headers = f"Content-Type: application/json\r\nContent-Length: {len(payload)}\r\n{headers}"
        head = f"HTTP/1.1 200 OK\r\n{headers}\r\n"
        self._transport.write(head.encode("latin-1") + payload)
