"""An HTTP client that costs the machine little: what it spends the system cannot."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Load:
    """What a run of requests took; latencies in seconds, sorted."""

    latencies_seconds: list[float]
    duration_seconds: float

    @property
    def per_second(self) -> float:
        return len(self.latencies_seconds) / self.duration_seconds

    def percentile_ms(self, share: float) -> float:
        return self.latencies_seconds[int(share * (len(self.latencies_seconds) - 1))] * 1000


def post(path: str, body: bytes, headers: dict[str, str]) -> bytes:
    """The bytes of a POST request."""
    fields = {"Host": "localhost", "Content-Length": str(len(body)), **headers}
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"POST {path} HTTP/1.1\r\n{head}\r\n".encode() + body


def get(path: str) -> bytes:
    """The bytes of a GET request."""
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()


async def send_all(
    url: str, requests: Iterator[bytes], *, clients: int, accept: Callable[[int], bool]
) -> Load:
    """Send every request over `clients` kept connections; raises when an answer's status is not accepted."""
    address = urlsplit(url)
    latencies: list[float] = []

    async def client() -> None:
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        for request in requests:
            started = time.perf_counter()
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            status = int(head[9:12])
            body = await reader.readexactly(_content_length(head))
            if not accept(status):
                raise RuntimeError(f"the answer was {status}: {body[:200]!r}")
            latencies.append(time.perf_counter() - started)
        writer.close()

    started = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(clients)))
    return Load(sorted(latencies), time.perf_counter() - started)


def _content_length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    return 0
