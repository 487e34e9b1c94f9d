"""A partner's HTTP client: it keeps connections, sends a few requests at a time, and retries as a real one would."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

import aiohttp

from infra.cli.demo.postings import Posting

# Safe to repeat, since each carries its Idempotency-Key.
TRY_AGAIN = frozenset({429, 502, 503, 504})
ATTEMPTS = 8
FIRST_PAUSE_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 5.0
REQUEST_TIMEOUT_SECONDS = 40.0


@dataclass(frozen=True, slots=True)
class Answer:
    """The last answer to one request; status 0 if there was none. `at` is the client's clock, in epoch seconds."""

    status: int
    body: bytes = field(repr=False)
    at: float
    retries: int = 0

    @property
    def record_id(self) -> str | None:
        """The record that was accepted; None for any other answer."""
        return json.loads(self.body)["record_id"] if self.status == 202 else None

    @property
    def message(self) -> str:
        """The message of the answer, for people."""
        if self.status == 0:
            return "no answer"
        try:
            content = json.loads(self.body)
        except ValueError:
            return f"{len(self.body)} bytes that are not JSON"
        return str(content.get("error") or content.get("message") or "accepted")


class Client:
    """The client of every partner, each with its own token and connections."""

    def __init__(self, base_url: str, tokens: Mapping[str, str], *, connections: int) -> None:
        self._base_url = base_url
        self._tokens = tokens
        self._connections = connections

    async def __aenter__(self) -> Self:
        timeout = aiohttp.ClientTimeout(total=REQUEST_TIMEOUT_SECONDS)
        self._sessions = {
            partner_id: aiohttp.ClientSession(
                self._base_url,
                connector=aiohttp.TCPConnector(limit=self._connections),
                timeout=timeout,
                headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
            )
            for partner_id, token in self._tokens.items()
        }
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.gather(*(session.close() for session in self._sessions.values()))

    async def post_all(
        self, postings: Sequence[Posting], on_answer: Callable[[], None] = lambda: None
    ) -> list[Answer]:
        """Send all of them over this client's connections and return the answers in the order of `postings`."""
        answers: dict[int, Answer] = {}
        waiting = iter(enumerate(postings))

        async def work(remaining: Iterable[tuple[int, Posting]]) -> None:
            for index, posting in remaining:
                answers[index] = await self.post(posting)
                on_answer()

        await asyncio.gather(*(work(waiting) for _ in range(self._connections)))
        return [answers[index] for index in range(len(postings))]

    async def post(self, posting: Posting) -> Answer:
        """Send one request, again while its answer allows a retry, and return the last answer."""
        session = self._sessions[posting.hospital.partner_id]
        headers = {"Idempotency-Key": posting.idempotency_key}
        answer = Answer(0, b"", time.time())
        pause_seconds = FIRST_PAUSE_SECONDS
        for attempt in range(ATTEMPTS):
            if attempt:
                await asyncio.sleep(pause_seconds)
                pause_seconds = min(pause_seconds * 2, LONGEST_PAUSE_SECONDS)
            try:
                async with session.post(
                    posting.hospital.route, data=posting.body, headers=headers
                ) as response:
                    body = await response.read()
                    answer = Answer(response.status, body, time.time(), attempt)
            except (aiohttp.ClientError, TimeoutError):
                answer = Answer(0, b"", time.time(), attempt)
            if answer.status and answer.status not in TRY_AGAIN:
                break
        return answer
