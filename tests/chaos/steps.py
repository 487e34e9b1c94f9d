"""The steps of the exchange's work that its traffic shows."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, StrEnum
from typing import Protocol


class Step(StrEnum):
    """The meaning of a request to a service."""

    RAW_PUT = "the PUT of a raw object"
    RAW_GET = "the GET of a raw object"
    INGEST_COMMIT = "the commit of a submission"
    ATTEMPT_COMMIT = "the commit of the attempts"
    CANONICAL_COMMIT = "the commit of canonical rows"
    MARK_COMMIT = "the commit that marks events as published"
    PRODUCE = "a produce"
    FETCH = "a fetch"
    OFFSET_COMMIT = "the commit of offsets"


class Moment(Enum):
    """BEFORE: the service has not got the request. AFTER: the service has done it, but its client does not know."""

    BEFORE = "before"
    AFTER = "after"


@dataclass(frozen=True)
class Passage:
    """Bytes that are passed on together: a whole request, a whole answer, or any part of other traffic."""

    data: bytes = field(repr=False)
    step: Step | None = None


class Wire(Protocol):
    """The protocol of one connection, read from both sides."""

    def take_requests(self, data: bytes) -> list[Passage]:
        """Take bytes from the client; return the passages that may go on to the service."""

    def take_answers(self, data: bytes) -> list[Passage]:
        """Take bytes from the service; return the passages that may go on to the client."""

    def rest_of_answers(self) -> bytes:
        """Return the last bytes that the service sent before it closed, complete or not."""
