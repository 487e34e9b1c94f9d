"""Asynchronous invocations: the caller does not wait, failures are retried, destinations get the result.

https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sam_offline.arn import function_name_of
from sam_offline.clock import Clock
from sam_offline.errors import DeliveryFailed, FunctionThrottled, FunctionUnreachable, UnknownFunction
from sam_offline.invocation.destinations import Buckets
from sam_offline.invocation.invocation import Answer, Invokes
from sam_offline.invocation.records import asynchronous_record
from sam_offline.model import DeliveryPolicy, Destination, Function

_FIRST_THROTTLED_SECONDS, _LONGEST_THROTTLED_SECONDS = 1.0, 300.0
_DELIVERY_ATTEMPTS, _DELIVERY_PAUSE_SECONDS = 3, 1.0


@dataclass(slots=True)
class _Queued:
    function: Function
    payload: bytes
    policy: DeliveryPolicy
    since: datetime
    request_id: str
    invoke_count: int = 0
    answer: Answer | None = None


class AsynchronousInvokes:
    """Lambda's queue of events, kept in memory: its content is lost with the process."""

    def __init__(
        self,
        find_function: Callable[[str], Function],
        invoker: Invokes,
        *,
        buckets: Buckets,
        clock: Clock,
        announce: Callable[[str], None],
        retry_delays_seconds: Sequence[float],
    ) -> None:
        self._find_function = find_function
        self._invoker = invoker
        self._buckets = buckets
        self._clock = clock
        self._announce = announce
        self._retry_delays_seconds = retry_delays_seconds
        self._tasks: set[asyncio.Task[None]] = set()

    def submit(self, reference: str, payload: bytes, policy: DeliveryPolicy | None = None) -> str:
        """Queue an event for a function and return the request id of all its tries. Raises UnknownFunction."""
        function = self._find_function(function_name_of(reference))
        request_id = str(uuid.uuid4())
        queued = _Queued(function, payload, policy or DeliveryPolicy(), self._clock.now(), request_id)
        task = asyncio.get_running_loop().create_task(self._run(queued))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return request_id

    def announce_unsupported(self, functions: Iterable[Function]) -> None:
        """Announce the destinations of functions that the runner does not deliver to."""
        for function in functions:
            config = function.asynchronous
            for what, destination in (
                ("on-success destination", config.on_success),
                ("on-failure destination", config.on_failure),
                ("dead-letter queue", config.dead_letter_queue),
            ):
                if destination is not None and destination.kind in ("unsupported", "topic"):
                    self._announce(
                        f"{function.name}: its {what} is {destination.name}, which is not run here:"
                        " what would go there is named on this screen only"
                    )

    def cancel(self) -> None:
        """Drop the events that have not succeeded."""
        for task in self._tasks:
            task.cancel()

    async def _run(self, queued: _Queued) -> None:
        condition = await self._try_until_over(queued)
        config = queued.function.asynchronous
        if condition == "Success":
            await self._tell(queued, condition, config.on_success)
            return
        # A dead-letter queue and a destination are independent of each other; no queue is run here.
        if config.dead_letter_queue is not None:
            self._announce(
                f"{queued.function.name}: {queued.request_id} {condition}: would go to its dead-letter queue"
                f" ({config.dead_letter_queue.name})"
            )
        await self._tell(queued, condition, config.on_failure)

    async def _try_until_over(self, queued: _Queued) -> str:
        """Try an event until it succeeds or is given up, and return the condition of its end."""
        config = queued.function.asynchronous
        if queued.function.reserved_concurrency == 0:
            # https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html: without any retries
            return "ZeroReservedConcurrency"
        retries = 0
        while True:
            answer = await self._deliver(queued)
            if answer is None:
                return "EventAgeExceeded"
            queued.invoke_count += 1
            queued.answer = answer
            if answer.error_type is None:
                return "Success"
            if retries == config.maximum_retries:
                return "RetriesExhausted"
            # One minute before the first retry, two before the second.
            delays = self._retry_delays_seconds
            await self._clock.sleep(delays[min(retries, len(delays) - 1)])
            retries += 1
            if self._age_seconds(queued) > config.maximum_age_seconds:
                return "EventAgeExceeded"

    async def _deliver(self, queued: _Queued) -> Answer | None:
        """Invoke as soon as the function accepts it; return None if the event grows too old first."""
        delay_seconds, undelivered = _FIRST_THROTTLED_SECONDS, 0
        while True:
            try:
                return await self._invoker.invoke(
                    queued.function.name, queued.payload, request_id=queued.request_id
                )
            except FunctionThrottled:
                # No attempt is counted: the function did not run. Lambda goes on until the event's maximum age.
                oldest_seconds = queued.function.asynchronous.maximum_age_seconds
            except FunctionUnreachable:
                # The event was not handed over at all: the schedule tries again.
                oldest_seconds = queued.policy.maximum_age_seconds
                if undelivered == queued.policy.maximum_retries:
                    return None
                undelivered += 1
            if self._age_seconds(queued) + delay_seconds > oldest_seconds:
                return None
            await self._clock.sleep(delay_seconds)
            delay_seconds = min(2 * delay_seconds, _LONGEST_THROTTLED_SECONDS)

    async def _tell(self, queued: _Queued, condition: str, destination: Destination | None) -> None:
        if destination is None:
            return
        moment = self._clock.now()
        record = asynchronous_record(
            queued.function.arn,
            queued.payload,
            queued.answer,
            request_id=queued.request_id,
            condition=condition,
            invoke_count=queued.invoke_count,
            moment=moment,
        )
        if destination.kind == "bucket":
            await self._keep(queued, destination.name, moment, record)
        elif destination.kind != "function" or not self._submitted(destination.name, record):
            self._announce(
                f"{queued.function.name}: {queued.request_id} {condition}: would go to {destination.name}"
            )

    def _submitted(self, function_name: str, record: bytes) -> bool:
        try:
            self.submit(function_name, record)
        except UnknownFunction:
            return False
        return True

    async def _keep(self, queued: _Queued, bucket: str, moment: datetime, record: bytes) -> None:
        folder = f"aws/lambda/async/{queued.function.name}"
        for attempt in range(_DELIVERY_ATTEMPTS):
            try:
                await self._buckets.put(bucket, folder, moment, record)
                return
            except DeliveryFailed as error:
                self._announce(f"{queued.function.name}: {queued.request_id} could not be kept: {error}")
                if attempt + 1 < _DELIVERY_ATTEMPTS:
                    await asyncio.sleep(_DELIVERY_PAUSE_SECONDS)

    def _age_seconds(self, queued: _Queued) -> float:
        return (self._clock.now() - queued.since).total_seconds()
