"""A TCP proxy between the functions and one service, which recognises the steps of their work."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable
from contextlib import suppress

from tests.chaos.injection import Injector
from tests.chaos.steps import Moment, Wire

HOST = "127.0.0.1"
READ_BYTES = 256 * 1024
# SO_LINGER of 0 s: close() sends RST instead of FIN.
LINGER = struct.pack("ii", 1, 0)


class Proxy:
    """A proxy that listens on its own port for the whole experiment, even while the service is down."""

    def __init__(self, service_port: int, injector: Injector, make_wire: Callable[[int], Wire]) -> None:
        """Create a proxy; `make_wire` is called with the proxy's own port."""
        self._service_port = service_port
        self._injector = injector
        self._make_wire = make_wire
        self._connections: set[ProxiedConnection] = set()

    async def start(self) -> int:
        """Start to listen; return the port."""
        self._server = await asyncio.start_server(self._serve, HOST, 0, limit=READ_BYTES)
        self.port = int(self._server.sockets[0].getsockname()[1])
        return self.port

    async def stop(self) -> None:
        self._server.close()
        for connection in list(self._connections):
            connection.reset()
        await self._server.wait_closed()

    def reset_all(self) -> None:
        """Reset every open connection at once."""
        for connection in list(self._connections):
            connection.reset()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = ProxiedConnection(writer)
        self._connections.add(connection)
        try:
            await connection.run(reader, self._service_port, self._make_wire(self.port), self._injector)
        finally:
            connection.reset()
            self._connections.discard(connection)


class ProxiedConnection:
    """A client's connection, and its counterpart to the service."""

    def __init__(self, client: asyncio.StreamWriter) -> None:
        self._client = client
        self._service: asyncio.StreamWriter | None = None
        self.client_port: int = client.get_extra_info("peername")[1]
        self.service_port = 0

    async def run(
        self, client_reader: asyncio.StreamReader, service_port: int, wire: Wire, injector: Injector
    ) -> None:
        """Carry bytes both ways until either side ends."""
        try:
            service_reader, self._service = await asyncio.open_connection(
                HOST, service_port, limit=READ_BYTES
            )
        except OSError:
            return
        self.service_port = self._service.get_extra_info("sockname")[1]
        ways = [
            asyncio.create_task(self._carry_requests(client_reader, self._service, wire, injector)),
            asyncio.create_task(self._carry_answers(service_reader, wire, injector)),
        ]
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        with suppress(OSError):
            # After one side closed in order, the other gets the remaining bytes and is closed, too.
            if ways[1].done():
                self._client.write(wire.rest_of_answers())
            self._client.close()
            self._service.close()
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)

    def reset(self) -> None:
        for writer in (self._client, self._service):
            if writer is None or writer.transport.is_closing():
                continue
            connected = writer.get_extra_info("socket")
            if connected is not None:
                with suppress(OSError):
                    connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER)
            writer.transport.abort()

    def answer(self, data: bytes, *, last: bool) -> None:
        self._client.write(data)
        if last:
            self._client.close()

    async def _carry_requests(
        self,
        reader: asyncio.StreamReader,
        service: asyncio.StreamWriter,
        wire: Wire,
        injector: Injector,
    ) -> None:
        while data := await reader.read(READ_BYTES):
            for passage in wire.take_requests(data):
                if await injector.lets_pass(self, passage, Moment.BEFORE):
                    service.write(passage.data)
            await service.drain()

    async def _carry_answers(self, reader: asyncio.StreamReader, wire: Wire, injector: Injector) -> None:
        while data := await reader.read(READ_BYTES):
            for passage in wire.take_answers(data):
                if await injector.lets_pass(self, passage, Moment.AFTER):
                    self._client.write(passage.data)
            await self._client.drain()
