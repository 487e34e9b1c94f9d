"""Invokes functions through a Lambda endpoint: `sam local start-lambda`, this exchange, or another."""

from __future__ import annotations

import asyncio
import json
from typing import Self
from urllib.parse import quote

import aiohttp

from infra.local import Answer, FunctionThrottled

# Longer than any function may run: the endpoint ends it, not we.
TIMEOUT_SECONDS = 900.0
UNREACHABLE = "Sources.Unreachable"


class RemoteInvoker:
    """What event sources invoke with; an async context manager. An endpoint that is away is a failed invoke."""

    def __init__(self, endpoint: str) -> None:
        self._endpoint = endpoint.rstrip("/")
        self._later: set[asyncio.Task[Answer]] = set()

    async def __aenter__(self) -> Self:
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_SECONDS, sock_connect=5)
        # No limit: a schedule's long run must not keep a batch from its function.
        self._session = aiohttp.ClientSession(timeout=timeout, connector=aiohttp.TCPConnector(limit=0))
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._later:
            task.cancel()
        await asyncio.gather(*self._later, return_exceptions=True)
        await self._session.close()

    async def invoke(self, reference: str, payload: bytes) -> Answer:
        """Invoke and wait. Raises FunctionThrottled on 429."""
        url = f"{self._endpoint}/2015-03-31/functions/{quote(reference, safe='')}/invocations"
        try:
            async with self._session.post(url, data=payload) as response:
                body = await response.read()
                status, headers = response.status, response.headers
        except (aiohttp.ClientError, TimeoutError) as error:
            return Answer("", type(error).__name__.encode(), UNREACHABLE)
        if status == 429:
            raise FunctionThrottled(reference)
        failed = status != 200 or "X-Amz-Function-Error" in headers or _is_error(body)
        return Answer(headers.get("x-amzn-requestid", ""), body, "Unhandled" if failed else None)

    def invoke_later(self, reference: str, payload: bytes) -> None:
        """Invoke without waiting, here and not by the endpoint: `sam local` knows no asynchronous invoke."""
        task = asyncio.get_running_loop().create_task(self.invoke(reference, payload))
        self._later.add(task)
        task.add_done_callback(self._later.discard)


def _is_error(body: bytes) -> bool:
    """Whether a runtime reports an exception: `sam local start-lambda` says so in the body alone."""
    try:
        answer = json.loads(body)
    except ValueError:
        return True
    return isinstance(answer, dict) and {"errorType", "errorMessage"} <= answer.keys()
