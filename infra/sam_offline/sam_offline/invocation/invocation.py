"""One invocation and its answer, as they travel between the front doors, the pool and an environment."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Awaitable
from dataclasses import dataclass, field
from typing import Protocol

# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html: 6 MB, and what AWS adds to it
MAXIMUM_PAYLOAD_BYTES = 6_291_556


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of an invocation. `error_type` is None on success."""

    request_id: str
    payload: bytes
    error_type: str | None = None
    log_tail: bytes = b""

    @classmethod
    def of_error(cls, request_id: str, error_type: str, message: str) -> Answer:
        """Return the answer to an invocation that Lambda itself ended."""
        return cls(request_id, error_payload(error_type, message), error_type)


class Invokes(Protocol):
    """What an event source needs of whoever invokes: the pools of this process, or a Lambda endpoint elsewhere."""

    def invoke(self, reference: str, payload: bytes, *, request_id: str = "") -> Awaitable[Answer]:
        """Invoke now, under that request id if one is given. May raise FunctionThrottled or FunctionUnreachable."""


@dataclass(slots=True, eq=False)
class Invocation:
    """An event on its way. `answer` never fails: an error of the function is an Answer too."""

    payload: bytes
    answer: asyncio.Future[Answer]
    client_context: str = ""
    wants_log_tail: bool = False
    request_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    # By the event loop's clock; 0 for one that found an environment free.
    queued_at: float = 0.0

    def settle(self, answer: Answer) -> None:
        """Give the answer unless the caller has gone away."""
        if not self.answer.done():
            self.answer.set_result(answer)


def error_payload(error_type: str, message: str) -> bytes:
    """Return the JSON with which Lambda reports an error that is its own, not the function's."""
    return json.dumps({"errorType": error_type, "errorMessage": message}).encode()


def error_type_of(payload: bytes, default: str) -> str:
    """Return the errorType that a runtime reported."""
    try:
        report = json.loads(payload)
    except ValueError:
        return default
    error_type = report.get("errorType") if isinstance(report, dict) else None
    return error_type if isinstance(error_type, str) else default
