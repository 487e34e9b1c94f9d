"""Invokes functions by name, at once or later with Lambda's retries."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from .errors import FunctionThrottled, UnknownFunction
from .invocation import Answer
from .model import function_name_of
from .pool import Pool

# https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html
_FIRST_THROTTLED_SECONDS, _LONGEST_THROTTLED_SECONDS = 1.0, 300.0


class Invoker:
    """The one way to a function for every front door and event source."""

    def __init__(self, pools: Mapping[str, Pool], retry_delays_seconds: Sequence[float]) -> None:
        self._pools = pools
        self._retry_delays_seconds = retry_delays_seconds
        self._later: set[asyncio.Task[None]] = set()

    def pool(self, reference: str) -> Pool:
        """Return the pool of a function given by name or ARN. Raises UnknownFunction."""
        name = function_name_of(reference)
        try:
            return self._pools[name]
        except KeyError as error:
            raise UnknownFunction(name) from error

    def invoke(
        self, reference: str, payload: bytes, *, client_context: str = "", wants_log_tail: bool = False
    ) -> asyncio.Future[Answer]:
        """Invoke now. Raises UnknownFunction or FunctionThrottled."""
        pool = self.pool(reference)
        return pool.submit(payload, client_context=client_context, wants_log_tail=wants_log_tail)

    def invoke_later(self, reference: str, payload: bytes) -> None:
        """Invoke asynchronously: nobody waits, a failure is tried again as often as the function says."""
        task = asyncio.get_running_loop().create_task(self._try(self.pool(reference), payload))
        self._later.add(task)
        task.add_done_callback(self._later.discard)

    def cancel(self) -> None:
        """Give up the asynchronous invokes that have not succeeded."""
        for task in self._later:
            task.cancel()

    async def _try(self, pool: Pool, payload: bytes) -> None:
        for attempt in range(pool.function.asynchronous_retries + 1):
            if attempt > 0:
                # One minute, then two:
                # https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html
                delays = self._retry_delays_seconds
                await asyncio.sleep(delays[min(attempt, len(delays)) - 1])
            answer = await self._submit(pool, payload)
            if answer is None or answer.error_type is None:
                return

    async def _submit(self, pool: Pool, payload: bytes) -> Answer | None:
        """Invoke when the function's limit allows it; None where it never will."""
        delay_seconds = _FIRST_THROTTLED_SECONDS
        while pool.limit > 0:
            try:
                return await pool.submit(payload)
            except FunctionThrottled:
                # No attempt: it did not run.
                await asyncio.sleep(delay_seconds)
                delay_seconds = min(2 * delay_seconds, _LONGEST_THROTTLED_SECONDS)
        return None
