"""An invoker that reaches functions through a Lambda endpoint: `sam local start-lambda`, this exchange, or another."""

from __future__ import annotations

import json
from typing import Self
from urllib.parse import quote

import aiohttp

from sam_offline import Answer, FunctionThrottled, FunctionUnreachable

# Longer than any function may run: the endpoint ends it, not this client.
TIMEOUT_SECONDS = 900.0


class RemoteInvoker:
    """The invoker of event sources whose functions run elsewhere; an async context manager."""

    def __init__(self, endpoint: str) -> None:
        self._endpoint = endpoint.rstrip("/")

    async def __aenter__(self) -> Self:
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_SECONDS, sock_connect=5)
        # No limit: a schedule's long run must not keep a batch from its function.
        self._session = aiohttp.ClientSession(timeout=timeout, connector=aiohttp.TCPConnector(limit=0))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def invoke(self, reference: str, payload: bytes, *, request_id: str = "") -> Answer:
        """Invoke and wait. Raises FunctionThrottled on 429, FunctionUnreachable if the endpoint does not answer.

        The request id of the answer is the endpoint's.
        """
        url = f"{self._endpoint}/2015-03-31/functions/{quote(reference, safe='')}/invocations"
        try:
            async with self._session.post(url, data=payload) as response:
                body = await response.read()
                status, headers = response.status, response.headers
        except (aiohttp.ClientError, TimeoutError) as error:
            raise FunctionUnreachable(type(error).__name__) from error
        if status == 429:
            raise FunctionThrottled(reference)
        failed = status != 200 or "X-Amz-Function-Error" in headers or _is_error(body)
        return Answer(headers.get("x-amzn-requestid", ""), body, "Unhandled" if failed else None)


def _is_error(body: bytes) -> bool:
    """Tell whether the body reports an exception: `sam local start-lambda` says so nowhere else."""
    try:
        answer = json.loads(body)
    except ValueError:
        return True
    return isinstance(answer, dict) and {"errorType", "errorMessage"} <= answer.keys()
