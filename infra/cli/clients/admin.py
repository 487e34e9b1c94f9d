"""A client of the runner's admin port."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote
from urllib.request import Request, urlopen

from infra.cli.failure import fail
from infra.system.addresses import Addresses

TIMEOUT_SECONDS = 10
# Records in flight end first.
PAUSE_TIMEOUT_SECONDS = 60


class AdminUnreachable(Exception):
    """The runner does not answer; the message is for people."""


def look_at_status(addresses: Addresses) -> dict[str, Any]:
    """Return the state of functions, event sources and schedules. Raises AdminUnreachable."""
    return dict(json.loads(_call(addresses, "GET", "/status")))


def read_status(addresses: Addresses) -> dict[str, Any]:
    """Return the same; a runner that does not answer ends the command."""
    try:
        return look_at_status(addresses)
    except AdminUnreachable as error:
        fail(str(error))


def trigger_schedule(addresses: Addresses, name: str) -> None:
    """Fire a schedule that `read_status` names. A runner that does not answer ends the command."""
    try:
        _call(addresses, "POST", f"/schedules/{quote(name)}/trigger")
    except AdminUnreachable as error:
        fail(str(error))


def set_source_state(addresses: Addresses, name: str, action: str) -> None:
    """Let a Kafka source that `read_status` names `pause` or `resume`. A silent runner ends the command."""
    path = f"/sources/{quote(name)}/{action}"
    try:
        _call(addresses, "POST", path, timeout_seconds=PAUSE_TIMEOUT_SECONDS)
    except AdminUnreachable as error:
        fail(str(error))


def _call(addresses: Addresses, method: str, path: str, *, timeout_seconds: float = TIMEOUT_SECONDS) -> bytes:
    request = Request(addresses.admin + path, method=method)  # noqa: S310 - our own http address
    try:
        with urlopen(request, timeout=timeout_seconds) as answer:  # noqa: S310
            return bytes(answer.read())
    except OSError as error:
        raise AdminUnreachable(f"the runner does not answer {method} {request.full_url}: {error}") from error
