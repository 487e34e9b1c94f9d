"""A source that is paused while it waits for a slow broker."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from contextlib import closing
from dataclasses import replace

import psutil

from sam_offline.clock import Clock
from sam_offline.invocation.destinations import Buckets
from sam_offline.invocation.invocation import Answer
from sam_offline.sources.kafka.source import KafkaEventSource
from unit.kafka_sources import SOURCE


class Nobody:
    async def invoke(self, reference: str, payload: bytes, *, request_id: str = "") -> Answer:
        raise AssertionError("there is no record")


def connections_to(port: int) -> int:
    found = psutil.Process().net_connections("tcp")
    return sum(
        bool(each.raddr) and each.raddr.port == port and each.status == "ESTABLISHED" for each in found
    )


def serve_late(listener: socket.socket, broker: tuple[str, int], begin: threading.Event) -> None:
    """Pass connections on to the broker, but none before `begin`."""
    begin.wait(60)
    while True:
        try:
            here, _ = listener.accept()
        except OSError:
            return
        there = socket.create_connection(broker)
        for source, sink in ((here, there), (there, here)):
            threading.Thread(target=pump, args=(source, sink), daemon=True).start()


def pump(source: socket.socket, sink: socket.socket) -> None:
    try:
        while chunk := source.recv(65536):
            sink.sendall(chunk)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        return


def test_a_pause_while_it_looks_leaves_no_connection(kafka_brokers: str) -> None:
    host, _, port = kafka_brokers.partition(":")
    begin = threading.Event()
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        slow_port = listener.getsockname()[1]
        threading.Thread(target=serve_late, args=(listener, (host, int(port)), begin), daemon=True).start()

        async def scenario() -> None:
            source = KafkaEventSource(
                replace(SOURCE, bootstrap_servers=(f"127.0.0.1:{slow_port}",), topics=("no-such-topic",)),
                "us-east-1",
                invoker=Nobody(),
                buckets=Buckets({}),
                clock=Clock(),
                announce=lambda line: None,
            )
            source.start()
            while not connections_to(slow_port):
                await asyncio.sleep(0.02)
            pausing = asyncio.create_task(source.pause(60))
            await asyncio.sleep(0.05)
            begin.set()
            await pausing
            await source.stop(60)

        before = connections_to(int(port))
        asyncio.run(scenario())
        deadline = time.monotonic() + 60
        while connections_to(slow_port) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert connections_to(slow_port) == 0
        while connections_to(int(port)) > before and time.monotonic() < deadline:
            time.sleep(0.05)
        assert connections_to(int(port)) <= before
