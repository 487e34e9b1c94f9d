"""The Postgres protocol between a function and its database, read to recognise which transaction commits.

https://www.postgresql.org/docs/current/protocol-message-formats.html
"""

from __future__ import annotations

import struct
from collections import deque

from tests.chaos.steps import Passage, Step

SSL_REQUEST, GSS_REQUEST = 80877103, 80877104
# The texts that identify a transaction; the first one that it contains names its step.
STEPS = (
    (b"INSERT INTO idempotency_keys", Step.INGEST_COMMIT),
    (b"UPDATE outbox_events AS event", Step.MARK_COMMIT),
    (b"INSERT INTO canonical_records", Step.CANONICAL_COMMIT),
    (b"INSERT INTO processing_stage_state", Step.ATTEMPT_COMMIT),
)


class PostgresWire:
    """A connection with simple queries, as psycopg2 sends them; COMMIT may be sent with the last statement."""

    def __init__(self) -> None:
        self._requests = b""
        self._answers = b""
        self._is_started = False
        self._is_ready = False
        self._greeting = b""
        self._written: Step | None = None
        self._asked: deque[Step | None] = deque()

    def take_requests(self, data: bytes) -> list[Passage]:
        self._requests += data
        passages = []
        while (message := self._next_request()) is not None:
            step = None
            if self._is_ready and message[:1] == b"Q":
                step = self._step(message[5:-1])
                self._asked.append(step)
            passages.append(Passage(message, step))
        return passages

    def take_answers(self, data: bytes) -> list[Passage]:
        if not self._is_ready:
            return self._take_greeting(data)
        self._answers += data
        passages = []
        start = at = 0
        while len(self._answers) >= at + 5:
            (size,) = struct.unpack_from(">i", self._answers, at + 1)
            kind, at = self._answers[at : at + 1], at + 1 + size
            if len(self._answers) < at:
                break
            if kind == b"Z":  # ready for the next query: the answer is complete
                step = self._asked.popleft() if self._asked else None
                passages.append(Passage(self._answers[start:at], step))
                start = at
        self._answers = self._answers[start:]
        return passages

    def rest_of_answers(self) -> bytes:
        return self._answers

    def _next_request(self) -> bytes | None:
        prefix = 1 if self._is_started else 0
        if len(self._requests) < prefix + 4:
            return None
        (size,) = struct.unpack_from(">i", self._requests, prefix)
        if len(self._requests) < prefix + size:
            return None
        message, self._requests = self._requests[: prefix + size], self._requests[prefix + size :]
        if not self._is_started:
            (code,) = struct.unpack_from(">i", message, 4)
            self._is_started = code not in {SSL_REQUEST, GSS_REQUEST}
        return message

    def _take_greeting(self, data: bytes) -> list[Passage]:
        """Pass every part of the login on at once, until the first ReadyForQuery."""
        # Only the end is checked: the message has six bytes, and nothing follows it without a request.
        self._greeting = (self._greeting + data)[-6:]
        self._is_ready = self._is_started and self._greeting[:5] == b"Z\x00\x00\x00\x05"
        return [Passage(data)]

    def _step(self, text: bytes) -> Step | None:
        if text.startswith(b"BEGIN"):
            self._written = None
        if self._written is None:
            self._written = next((step for sign, step in STEPS if sign in text), None)
        return self._written if text.endswith(b"COMMIT") else None
