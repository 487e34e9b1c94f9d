from __future__ import annotations

import json
import random
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path

from .errors import PortTaken

LOOPBACK = "127.0.0.1"
# SeaweedFS listens for gRPC on every one of its ports plus this.
GRPC_OFFSET = 10_000
HIGHEST_PORT = 65_535 - GRPC_OFFSET
# Below Linux's ephemeral range (32768 and up) together with the gRPC port: otherwise an outgoing connection,
# even the readiness probe's own, may sit on the port while its service is restarting.
FREE_RANGE = range(10_240, 32_768 - GRPC_OFFSET)


def choose_ports(
    wanted: Mapping[str, tuple[int | None, int | None]], kept: Mapping[str, int]
) -> dict[str, int]:
    """One port a name, each free together with its gRPC twin.

    `wanted` maps a name to (asked for, usual): see `StackConfig` for what is asked. Raises `PortTaken`.
    """
    chosen: dict[str, int] = {}
    for name, (asked, usual) in wanted.items():
        if asked:
            if asked > HIGHEST_PORT or not _is_free(asked):
                raise PortTaken(f"port {asked}, asked for by {name}, is taken or above {HIGHEST_PORT}")
            chosen[name] = asked
            continue
        preferred = (kept.get(name), usual if asked is None else None)
        taken = set(chosen.values())
        chosen[name] = next(p for p in _candidates(preferred) if p not in taken and _is_free(p))
    return chosen


def read_ports(path: Path) -> dict[str, int]:
    """The ports of the last run, none before the first."""
    return dict(json.loads(path.read_text())) if path.exists() else {}


def keep_ports(path: Path, ports: Mapping[str, int]) -> None:
    path.write_text(json.dumps(dict(ports), indent=2) + "\n")


def _candidates(preferred: tuple[int | None, ...]) -> Iterator[int]:
    yield from (port for port in preferred if port)
    # Random, not ascending: two stacks that start side by side must not race for the same next one.
    yield from random.sample(FREE_RANGE, k=len(FREE_RANGE))
    raise PortTaken("no free port is left")


def _is_free(port: int) -> bool:
    return _can_bind(port) and _can_bind(port + GRPC_OFFSET)


def _can_bind(port: int) -> bool:
    with socket.socket() as probe:
        # As the services do, so that connections in TIME_WAIT do not count as somebody.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True
