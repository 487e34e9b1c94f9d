"""An invocation and its answer, as they pass between APIs, pool and environment."""

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
    """The result of an invocation. `error_type` is None on success."""

    request_id: str
    payload: bytes
    error_type: str | None = None
    log_tail: bytes = b""

    @classmethod
    def of_error(cls, request_id: str, error_type: str, message: str) -> Answer:
        """Return the answer to an invocation that Lambda itself ended."""
        return cls(request_id, error_payload(error_type, message), error_type)


class Invokes(Protocol):
    """The interface to functions that event sources use: this process's pools, or a Lambda endpoint elsewhere."""

    def invoke(self, reference: str, payload: bytes, *, request_id: str = "") -> Awaitable[Answer]:
        """Invoke a function now, under `request_id` if one is given.

        Raises FunctionThrottled or FunctionUnreachable.
        """


@dataclass(slots=True, eq=False)
class Invocation:
    """An event and the future of its answer, which never fails: an error of the function is an Answer too."""

    payload: bytes
    answer: asyncio.Future[Answer]
    client_context: str = ""
    wants_log_tail: bool = False
    request_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    # By the event loop's clock; 0 for one that found an environment free.
    queued_at: float = 0.0

    def settle(self, answer: Answer) -> None:
        """Set the answer, unless the caller has gone away."""
        if not self.answer.done():
            self.answer.set_result(answer)


def error_payload(error_type: str, message: str) -> bytes:
    """Return the JSON in which Lambda reports an error of its own, as opposed to the function's."""
    return json.dumps({"errorType": error_type, "errorMessage": message}).encode()


def error_type_of(payload: bytes, default: str) -> str:
    """Return the errorType that a runtime reported."""
    try:
        report = json.loads(payload)
    except ValueError:
        return default
    error_type = report.get("errorType") if isinstance(report, dict) else None
    return error_type if isinstance(error_type, str) else default
