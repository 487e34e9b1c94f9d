"""Lets containers reach services that listen on loopback only: the same ports on the Docker bridge, forwarded."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterable
from contextlib import suppress
from functools import partial

BRIDGE = "172.17.0.1"


class Forwarder:
    """TCP from `host`:port to 127.0.0.1:port, in a thread with a loop of its own, while its block runs."""

    def __init__(self, host: str, ports: Iterable[int]) -> None:
        self._host, self._ports = host, tuple(ports)

    def __enter__(self) -> None:
        self._listening = threading.Event()
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._serve()), name="forwarder", daemon=True
        )
        self._thread.start()
        assert self._listening.wait(10), f"cannot listen on {self._host}"

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join(10)

    async def _serve(self) -> None:
        self._loop, self._stopping = asyncio.get_running_loop(), asyncio.Event()
        self._open: set[asyncio.StreamWriter] = set()
        servers = [
            await asyncio.start_server(partial(self._join, port), self._host, port) for port in self._ports
        ]
        self._listening.set()
        await self._stopping.wait()
        for server in servers:
            server.close()
        for writer in self._open:
            writer.transport.abort()

    async def _join(self, port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there_reader, there_writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            writer.transport.abort()
            return
        self._open |= {writer, there_writer}
        await asyncio.gather(_pump(reader, there_writer), _pump(there_reader, writer))
        self._open -= {writer, there_writer}
        for ended in (writer, there_writer):
            ended.close()
            with suppress(OSError):
                await ended.wait_closed()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while chunk := await reader.read(65536):
            writer.write(chunk)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
    except OSError:
        # One side has gone; the other is told by the same end.
        writer.transport.abort()
