"""The Lambda Runtime API of one execution environment.

https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html

Each environment has its own port: a path prefix in AWS_LAMBDA_RUNTIME_API would break awslambdaric's init-error
report.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

import httptools

from sam_offline.invocation.invocation import Invocation

if TYPE_CHECKING:
    from sam_offline.execution.environment import Environment

_ACCEPTED = (
    b'HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\nContent-Length: 16\r\n\r\n{"status":"OK"}\n'
)
_NOT_FOUND = b"HTTP/1.1 404 Not Found\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
_VERSION = b"/2018-06-01/runtime/"


class RuntimeConnection(asyncio.Protocol):
    """A connection of the process; awslambdaric uses one for /next and its answers."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
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
            self._environment.next_requested(self)
            return
        # Reply first: the process goes on to /next while its answer travels to the caller.
        self._transport.write(_ACCEPTED)
        body = b"".join(self._body)
        if parts == [b"init", b"error"]:
            self._environment.init_failed(body)
        elif len(parts) == 3 and parts[2] == b"response":
            self._environment.responded(parts[1].decode(), body)
        elif len(parts) == 3 and parts[2] == b"error":
            self._environment.failed(parts[1].decode(), body)

    def send_invocation(self, invocation: Invocation, function_arn: str, deadline_ms: int) -> None:
        """Answer the pending /next. Without Content-Type, awslambdaric crashes (SIGSEGV)."""
        payload = invocation.payload
        head = (
            "HTTP/1.1 200 OK\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(payload)}\r\n"
            f"Lambda-Runtime-Aws-Request-Id: {invocation.request_id}\r\n"
            f"Lambda-Runtime-Deadline-Ms: {deadline_ms}\r\n"
            f"Lambda-Runtime-Invoked-Function-Arn: {function_arn}\r\n"
        )
        if invocation.client_context:
            head += f"Lambda-Runtime-Client-Context: {invocation.client_context}\r\n"
        self._transport.write(f"{head}\r\n".encode("latin-1") + payload)
