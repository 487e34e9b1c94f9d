"""The records that a job is about."""

from __future__ import annotations

from typing import Any

from infra.cli.times import read_moment


def selection(source: str, prefix: str, since: str) -> dict[str, Any]:
    """Return the part of a request that selects records; an option that is not given is left out."""
    given = {"source": source, "prefix": prefix, "since": since and read_moment(since, "--since")}
    return {name: value for name, value in given.items() if value}
