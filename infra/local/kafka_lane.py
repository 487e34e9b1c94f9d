"""One partition's way to the function: batches in order, one at a time, each until it succeeds."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable

from .errors import FunctionThrottled
from .invocation import MAXIMUM_PAYLOAD_BYTES, Invokes
from .kafka_event import EncodedRecord, encode_event, first_failed_offset
from .model import KafkaSource

_FIRST_DELAY_SECONDS, _LONGEST_DELAY_SECONDS = 0.05, 5.0
_BUFFERED_BYTES = 4 * MAXIMUM_PAYLOAD_BYTES
# Room for the event's own keys around its records.
_ENVELOPE_BYTES = 4096


class Lane:
    """Lives in the event loop; the poller's thread reads `done_offset` and `is_full` only.

    `done_offset` is the offset to commit: everything before it has succeeded.
    """

    def __init__(
        self,
        source: KafkaSource,
        topic: str,
        partition: int,
        invoker: Invokes,
        announce: Callable[[str], None],
    ) -> None:
        self.name = f"{topic}-{partition}"
        self._source = source
        self._invoker = invoker
        self._announce = announce
        self._buffer: deque[EncodedRecord] = deque()
        self._buffered_bytes = 0
        self._arrived = asyncio.Event()
        self._stopping = asyncio.Event()
        self.next_offset: int | None = None
        self.done_offset: int | None = None
        self.received = 0
        self.processed = 0
        self.given_up = 0
        self.retries = 0

    @property
    def is_full(self) -> bool:
        return len(self._buffer) >= 4 * self._source.batch_size or self._buffered_bytes >= _BUFFERED_BYTES

    @property
    def lag(self) -> int:
        """Records that were fetched and are not done. A broker's own end offset is not trusted."""
        return self.received - self.processed - self.given_up

    def put(self, records: Iterable[EncodedRecord]) -> None:
        """Take records that follow those before."""
        for record in records:
            self._buffer.append(record)
            self.received += 1
            self._buffered_bytes += len(record.json)
        self._arrived.set()

    async def run(self) -> None:
        """Work until `stop`; a batch that is in flight then ends first."""
        while not self._stopping.is_set():
            batch = await self._next_batch()
            if batch:
                await self._process(batch)

    def stop(self) -> None:
        self._stopping.set()
        self._arrived.set()

    async def _next_batch(self) -> list[EncodedRecord]:
        while not self._buffer and not self._stopping.is_set():
            self._arrived.clear()
            await self._arrived.wait()
        if self._source.batching_window_seconds > 0 and not self._stopping.is_set():
            await self._fill(self._source.batching_window_seconds)
        if self._stopping.is_set():
            return []
        batch: list[EncodedRecord] = []
        size = _ENVELOPE_BYTES
        while self._buffer and len(batch) < self._source.batch_size:
            size += len(self._buffer[0].json) + 1
            # One record too large for any event goes alone, and the function's error says so.
            if batch and size > MAXIMUM_PAYLOAD_BYTES:
                break
            record = self._buffer.popleft()
            self._buffered_bytes -= len(record.json)
            batch.append(record)
        return batch

    async def _fill(self, window_seconds: float) -> None:
        """Wait until the window is over or a batch is full."""
        try:
            async with asyncio.timeout(window_seconds):
                while (
                    len(self._buffer) < self._source.batch_size
                    and self._buffered_bytes < MAXIMUM_PAYLOAD_BYTES
                ):
                    self._arrived.clear()
                    await self._arrived.wait()
                    if self._stopping.is_set():
                        return
        except TimeoutError:
            return

    async def _process(self, batch: list[EncodedRecord]) -> None:
        retries, delay_seconds = 0, _FIRST_DELAY_SECONDS
        while True:
            failed_offset = await self._try(batch)
            rest = [
                record for record in batch if failed_offset is not None and record.offset >= failed_offset
            ]
            progress = len(batch) - len(rest)
            if progress:
                self.processed += progress
                self.done_offset = rest[0].offset if rest else batch[-1].offset + 1
                retries, delay_seconds, batch = 0, _FIRST_DELAY_SECONDS, rest
            if not batch:
                return
            if 0 <= self._source.maximum_retries <= retries:
                self._announce(f"{self._source.logical_id}: {self.name} gives up offsets {_span(batch)}")
                self.given_up += len(batch)
                self.done_offset = batch[-1].offset + 1
                return
            retries += 1
            self.retries += 1
            if not progress:
                if await self._pause(delay_seconds):
                    return
                delay_seconds = min(2 * delay_seconds, _LONGEST_DELAY_SECONDS)

    async def _try(self, batch: list[EncodedRecord]) -> int | None:
        payload = encode_event(self.name, self._source.bootstrap_servers, batch)
        try:
            answer = await self._invoker.invoke(self._source.function_name, payload)
        except FunctionThrottled:
            return batch[0].offset
        if answer.error_type is not None:
            return batch[0].offset
        if not self._source.report_batch_item_failures:
            return None
        return first_failed_offset(answer.payload, self.name, [record.offset for record in batch])

    async def _pause(self, seconds: float) -> bool:
        """Wait before another try; True when the runner stops meanwhile: the batch is not committed then."""
        try:
            await asyncio.wait_for(self._stopping.wait(), seconds)
        except TimeoutError:
            return False
        return True


def _span(batch: list[EncodedRecord]) -> str:
    return f"{batch[0].offset}-{batch[-1].offset}"
