from __future__ import annotations

import json
import random
import socket
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path

from .errors import PortTaken
from .files import replace_file

LOOPBACK = "127.0.0.1"
# SeaweedFS listens for gRPC on every one of its ports plus this.
GRPC_OFFSET = 10_000
HIGHEST_PORT = 65_535 - GRPC_OFFSET
# Below Linux's ephemeral range (32768 and up) together with the gRPC port: otherwise an outgoing connection,
# even the readiness probe's own, may sit on the port while its service is restarting.
FREE_RANGE = range(10_240, 32_768 - GRPC_OFFSET)


def choose_ports(
    wanted: Mapping[str, tuple[int | None, int | None]],
    kept: Mapping[str, int],
    is_usable: Callable[[str, int], bool],
) -> dict[str, int]:
    """Choose a port for each name; the port and its gRPC twin are free.

    `wanted` maps a name to (port asked for, usual port), both as in `StackConfig`; `kept` has the ports of the last
    run. `is_usable` may reject a free port. Raises `PortTaken`.
    """
    chosen: dict[str, int] = {}

    def fits(name: str, port: int) -> bool:
        # A port must not be another one's gRPC twin either.
        near = {port - GRPC_OFFSET, port, port + GRPC_OFFSET}
        return near.isdisjoint(chosen.values()) and _is_free(port) and is_usable(name, port)

    # Those asked for by number first, so that none of the others sits on them.
    for name, (asked, usual) in sorted(wanted.items(), key=lambda item: not item[1][0]):
        if not asked:
            preferred = (kept.get(name), usual if asked is None else None)
            chosen[name] = next(port for port in _candidates(preferred) if fits(name, port))
        elif asked <= HIGHEST_PORT and fits(name, asked):
            chosen[name] = asked
        else:
            raise PortTaken(f"port {asked}, asked for by {name}, is taken or above {HIGHEST_PORT}")
    return chosen


def reserve_ports(ports: Iterable[int]) -> ExitStack:
    """Bind ports and their gRPC twins, so that no search for a free port finds them until the result is closed.

    A service that binds with SO_REUSEADDR, as ours do, can listen on them meanwhile: Linux shares a port that is bound
    but not listened on with sockets of that option, and with no others.
    """
    reserved = ExitStack()
    for port in ports:
        for each in (port, port + GRPC_OFFSET):
            holder = reserved.enter_context(socket.socket())
            holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            # Taken since it was chosen: the service that is to listen there reports it.
            with suppress(OSError):
                holder.bind((LOOPBACK, each))
    return reserved


def read_ports(path: Path) -> dict[str, int]:
    """Return the ports of the last run, none before the first."""
    return dict(json.loads(path.read_text())) if path.exists() else {}


def keep_ports(path: Path, ports: Mapping[str, int]) -> None:
    """Write the ports of this run for the next one."""
    replace_file(path, json.dumps(dict(ports), indent=2) + "\n")


def can_bind(port: int, *, shared: bool = True) -> bool:
    """Tell whether a server can bind the port; with `shared` false, whether no socket at all is bound to it."""
    with socket.socket() as probe:
        # As the services do, so that connections in TIME_WAIT do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, int(shared))
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def _candidates(preferred: tuple[int | None, ...]) -> Iterator[int]:
    yield from (port for port in preferred if port)
    # Random, not ascending: two stacks that start side by side must not race for the same next one.
    shuffled = random.sample(FREE_RANGE, k=len(FREE_RANGE))
    yield from (port for port in shuffled if not _is_reserved(port) and not _is_reserved(port + GRPC_OFFSET))
    raise PortTaken("no free port is left")


def _is_free(port: int) -> bool:
    return can_bind(port) and can_bind(port + GRPC_OFFSET)


def _is_reserved(port: int) -> bool:
    return not can_bind(port, shared=False)
