"""Lets containers reach what listens on this machine's loopback: the same ports on Docker's bridge, passed on."""

from __future__ import annotations

import asyncio
import socket
from functools import partial
from typing import Self

import psutil

INTERFACE = "docker0"
LOOPBACK = "127.0.0.1"


def bridge_address() -> str | None:
    """This machine's address on Docker's default bridge, None where there is no such bridge."""
    addresses = psutil.net_if_addrs().get(INTERFACE, ())
    return next((found.address for found in addresses if found.family == socket.AF_INET), None)


class Forwarder:
    """TCP from `host`:port to 127.0.0.1:port, for every port that is opened, until its block ends."""

    def __init__(self, host: str) -> None:
        self._host = host
        self._servers: list[asyncio.Server] = []
        self._joined: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for server in self._servers:
            server.close()
        for task in self._joined:
            task.cancel()
        await asyncio.gather(*self._joined, return_exceptions=True)

    async def open(self, port: int) -> None:
        """Listen; whether anything does behind it is found out by who connects. Raises OSError."""
        self._servers.append(await asyncio.start_server(partial(self._accept, port), self._host, port))

    async def _accept(self, port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(_join(port, reader, writer))
        self._joined.add(task)
        task.add_done_callback(self._joined.discard)


async def _join(port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    ends = [writer]
    try:
        there_reader, there_writer = await asyncio.open_connection(LOOPBACK, port)
        ends.append(there_writer)
        await asyncio.gather(_pump(reader, there_writer), _pump(there_reader, writer))
        for end in ends:
            end.close()
            await end.wait_closed()
    except OSError:
        # Nobody listens, or one side has gone: the other is told by the same end.
        pass
    finally:
        for end in ends:
            end.transport.abort()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while chunk := await reader.read(65536):
        writer.write(chunk)
        await writer.drain()
    if writer.can_write_eof():
        writer.write_eof()
