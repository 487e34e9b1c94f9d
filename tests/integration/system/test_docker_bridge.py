"""Connections forwarded to services on loopback; another loopback address stands in for Docker's bridge."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing, suppress

from infra.system.addresses import free_port
from infra.system.docker_bridge import LOOPBACK, Forwarder

BRIDGE = "127.0.0.2"


def test_bytes_and_ends_pass_both_ways() -> None:
    async def scenario() -> bytes:
        async with capitals() as port, Forwarder(BRIDGE) as forwarder:
            await forwarder.open(port)
            return await exchange(port, b"a" * 300_000)

    assert asyncio.run(scenario()) == b"A" * 300_000


def test_a_port_with_nobody_behind_it_ends_the_connection() -> None:
    async def scenario() -> bytes:
        port = free_port()
        async with Forwarder(BRIDGE) as forwarder:
            await forwarder.open(port)
            return await exchange(port, b"a")

    assert asyncio.run(scenario()) == b""


def test_open_connections_end_with_the_forwarder() -> None:
    async def scenario() -> bytes:
        async with capitals() as port:
            async with Forwarder(BRIDGE) as forwarder:
                await forwarder.open(port)
                reader, writer = await asyncio.open_connection(BRIDGE, port)
            with closing(writer):
                return await read_to_its_end(reader)

    assert asyncio.run(scenario()) == b""


async def exchange(port: int, sent: bytes) -> bytes:
    reader, writer = await asyncio.open_connection(BRIDGE, port)
    with closing(writer):
        writer.write(sent)
        writer.write_eof()
        return await read_to_its_end(reader)


async def read_to_its_end(reader: asyncio.StreamReader) -> bytes:
    with suppress(ConnectionResetError):
        return await asyncio.wait_for(reader.read(-1), 60)
    return b""


@asynccontextmanager
async def capitals() -> AsyncIterator[int]:
    """Run a service on a loopback port that answers a complete message in capitals."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with closing(writer):
            writer.write((await reader.read(-1)).upper())
            await writer.drain()

    port = free_port()
    async with await asyncio.start_server(answer, LOOPBACK, port):
        yield port
