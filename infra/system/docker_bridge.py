"""A way for containers to this machine's loopback: a forwarder on the same ports of Docker's bridge."""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from functools import partial
from typing import Self, cast

import psutil

INTERFACE = "docker0"
LOOPBACK = "127.0.0.1"


def bridge_address() -> str | None:
    """Return this machine's address on Docker's default bridge, or None if it has no such bridge."""
    addresses = psutil.net_if_addrs().get(INTERFACE, ())
    return next((found.address for found in addresses if found.family == socket.AF_INET), None)


class Forwarder:
    """A TCP forwarder from `host`:port to 127.0.0.1:port, for every port that is opened, until its block ends."""

    def __init__(self, host: str) -> None:
        self._host = host
        self._servers: list[asyncio.Server] = []
        self._joined: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        while self._servers:
            self._servers.pop().close()
        for task in self._joined:
            task.cancel()
        await asyncio.gather(*self._joined, return_exceptions=True)

    async def open(self, port: int) -> None:
        """Listen on a port, whether or not anything listens behind it yet. Raises OSError."""
        self._servers.append(await asyncio.start_server(partial(self._accept, port), self._host, port))

    async def _accept(self, port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = cast("asyncio.Task[None]", asyncio.current_task())
        self._joined.add(task)
        try:
            # None are left when this one came in while the block ended.
            if self._servers:
                await _join(port, reader, writer)
        finally:
            self._joined.discard(task)
            writer.transport.abort()


async def _join(port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    # An OSError means that nothing listens, or that one side has gone: the other side's connection ends with it.
    with suppress(OSError):
        there_reader, there_writer = await asyncio.open_connection(LOOPBACK, port)
        try:
            await asyncio.gather(_pump(reader, there_writer), _pump(there_reader, writer))
            for end in (writer, there_writer):
                end.close()
                await end.wait_closed()
        finally:
            there_writer.transport.abort()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while chunk := await reader.read(65536):
        writer.write(chunk)
        await writer.drain()
    if writer.can_write_eof():
        writer.write_eof()
