"""Partners' HTTP clients under load: they retry for as long as real ones, and some send a request twice at once."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

import aiohttp

from tests.chaos.records import Posting

REQUEST_TIMEOUT_SECONDS = 20.0
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.1, 2.0
# After a longer outage, a client would alert a person.
PATIENCE_SECONDS = 120.0
# For one in so many records the client gives up after the first failure, and a person retries much later.
ONE_IN_GIVING_UP = 4
# For one in so many records the client sends the same request at once on a second connection.
ONE_IN_TWICE = 20


@dataclass(frozen=True)
class Answer:
    """The last answer to a posting, with status 0 when none came in time. `at` is in seconds since the epoch."""

    status: int
    body: bytes = field(repr=False)
    at: float
    tries: int

    @property
    def record_id(self) -> str | None:
        """The id of the accepted record, None for any other answer."""
        record_id: str | None = json.loads(self.body)["record_id"] if self.status == 202 else None
        return record_id


class Clients:
    """Clients with a number of connections, each of which sends one request after the other."""

    def __init__(self, base_url: str, connections: int) -> None:
        self._base_url = base_url
        self._connections = connections
        self._pauses = random.Random(connections)
        self.statuses: Counter[int] = Counter()
        """The statuses of the answers to all tries; 0 for no answer."""

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            self._base_url,
            connector=aiohttp.TCPConnector(limit=0),
            timeout=aiohttp.ClientTimeout(total=REQUEST_TIMEOUT_SECONDS),
            headers={"Authorization": "Bearer dev", "Content-Type": "application/json"},
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    async def post_all(
        self, postings: Iterable[Posting], on_answer: Callable[[Posting, Answer], None]
    ) -> None:
        """Send all postings; call `on_answer` with each answer."""
        waiting = iter(postings)

        async def work() -> None:
            for posting in waiting:
                if posting.number % ONE_IN_TWICE == 0:
                    answers = [*await asyncio.gather(self.post(posting), self.post(posting))]
                else:
                    answers = [await self.post(posting)]
                for answer in answers:
                    on_answer(posting, answer)

        await asyncio.gather(*(work() for _ in range(self._connections)))

    async def post(self, posting: Posting) -> Answer:
        """Send a record until the answer is final: 2xx, or 4xx other than 429."""
        gives_up = posting.number % ONE_IN_GIVING_UP == 1
        deadline = time.monotonic() + (0 if gives_up else PATIENCE_SECONDS)
        pause_seconds = FIRST_PAUSE_SECONDS
        tries = 0
        while True:
            tries += 1
            status, body = await self._try(posting)
            self.statuses[status] += 1
            is_final = 200 <= status < 500 and status != 429
            if is_final or time.monotonic() > deadline:
                return Answer(status, body, time.time(), tries)
            await asyncio.sleep(pause_seconds * self._pauses.uniform(0.5, 1.0))
            pause_seconds = min(2 * pause_seconds, LONGEST_PAUSE_SECONDS)

    async def _try(self, posting: Posting) -> tuple[int, bytes]:
        headers = {"Idempotency-Key": posting.idempotency_key}
        try:
            async with self._session.post(posting.route, data=posting.body, headers=headers) as response:
                return response.status, await response.read()
        except (aiohttp.ClientError, TimeoutError):
            return 0, b""
