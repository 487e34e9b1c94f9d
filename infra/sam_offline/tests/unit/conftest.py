"""Unit tests use no network, and Hypothesis gives them the same examples each time."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import hypothesis
import pytest

NETWORK = frozenset({"socket.connect", "socket.bind", "socket.sendto", "socket.getaddrinfo"})

# The duration of an example depends on the machine, and a change must not fail by an example it did not bring about.
hypothesis.settings.register_profile("sam-offline", deadline=None, derandomize=True)
hypothesis.settings.load_profile("sam-offline")


class SocketGuard:
    """Turns any use of the network into an error while it is closed."""

    closed = False

    def __call__(self, event: str, _: tuple[Any, ...]) -> None:
        if self.closed and event in NETWORK:
            raise RuntimeError(f"a unit test used the network ({event}); such a test is an integration test")


GUARD = SocketGuard()
sys.addaudithook(GUARD)


@pytest.fixture(autouse=True)
def no_network() -> Iterator[None]:
    GUARD.closed = True
    yield
    GUARD.closed = False
