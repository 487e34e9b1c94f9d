"""The steps of the exchange's work, as its traffic shows them."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, StrEnum
from typing import Protocol


class Step(StrEnum):
    """What a request on its way to a service means."""

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
    """BEFORE: the service has not seen the request. AFTER: the service has done it, its client does not know."""

    BEFORE = "before"
    AFTER = "after"


@dataclass(frozen=True)
class Passage:
    """Bytes that go on together: a whole request, a whole answer, or a part of something that is no step."""

    data: bytes = field(repr=False)
    step: Step | None = None


class Wire(Protocol):
    """One connection's protocol, read from both sides. Made anew for every connection."""

    def take_requests(self, data: bytes) -> list[Passage]:
        """What may go on to the service now that `data` has come from the client."""

    def take_answers(self, data: bytes) -> list[Passage]:
        """What may go on to the client now that `data` has come from the service."""

    def rest_of_answers(self) -> bytes:
        """What the service said last before it hung up, whole or not."""
