"""An HTTP client that needs little of the machine, which the system under measurement shares."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import cast
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Load:
    """The times of a run of requests; latencies are in seconds, sorted."""

    latencies_seconds: list[float]
    duration_seconds: float

    @property
    def per_second(self) -> float:
        return len(self.latencies_seconds) / self.duration_seconds

    def percentile_ms(self, share: float) -> float:
        return self.latencies_seconds[int(share * (len(self.latencies_seconds) - 1))] * 1000


def post(path: str, body: bytes, headers: dict[str, str]) -> bytes:
    """Return the bytes of a POST request."""
    fields = {"Host": "localhost", "Content-Length": str(len(body)), **headers}
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"POST {path} HTTP/1.1\r\n{head}\r\n".encode() + body


def get(path: str) -> bytes:
    """Return the bytes of a GET request."""
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()


async def send_all(
    url: str, requests: Iterator[bytes], *, clients: int, accept: Callable[[int], bool]
) -> Load:
    """Send every request over `clients` kept connections; raise when an answer's status is not accepted."""
    address = urlsplit(url)
    host, port = address.hostname or "", address.port or 80
    loop = asyncio.get_running_loop()
    started = time.perf_counter()
    connections = [
        (await loop.create_connection(lambda: _Client(requests, accept), host, port))[1]
        for _ in range(clients)
    ]
    latencies = await asyncio.gather(*(connection.finished for connection in connections))
    return Load(sorted(chain.from_iterable(latencies)), time.perf_counter() - started)


class _Client(asyncio.Protocol):
    """A connection that sends the next request when the answer to the last one is complete."""

    def __init__(self, requests: Iterator[bytes], accept: Callable[[int], bool]) -> None:
        self.finished: asyncio.Future[list[float]] = asyncio.get_running_loop().create_future()
        self._requests = requests
        self._accept = accept
        self._latencies: list[float] = []
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are not subclasses of asyncio's
        self._transport = cast(asyncio.Transport, transport)
        self._send_next()

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, separator, body = self._received.partition(b"\r\n\r\n")
        if not separator or len(body) < _content_length(head):
            return
        self._latencies.append(time.perf_counter() - self._sent_at)
        self._received = b""
        if not self._accept(int(head[9:12])):
            self.finished.set_exception(RuntimeError(f"refused: {head[:40]!r} {body[:200]!r}"))
            self._transport.close()
            return
        self._send_next()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.finished.done():
            self.finished.set_exception(ConnectionError("the server closed the connection"))

    def _send_next(self) -> None:
        request = next(self._requests, None)
        if request is None:
            self.finished.set_result(self._latencies)
            self._transport.close()
            return
        self._sent_at = time.perf_counter()
        self._transport.write(request)


def _content_length(head: bytes) -> int:
    _, found, rest = head.lower().partition(b"\r\ncontent-length:")
    return int(rest.partition(b"\r\n")[0]) if found else 0
