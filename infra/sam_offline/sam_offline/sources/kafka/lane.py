"""The way of one partition to the function: batches in order, each until it succeeds or is given up."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from sam_offline.clock import Clock
from sam_offline.errors import DeliveryFailed, FunctionThrottled, FunctionUnreachable
from sam_offline.invocation.invocation import Answer, Invokes
from sam_offline.model import KafkaSource
from sam_offline.sources.kafka.buffer import Batch, Buffer
from sam_offline.sources.kafka.event import EncodedRecord, encode_event, first_failed_offset
from sam_offline.sources.kafka.on_failure import Discards
from sam_offline.sources.kafka.on_failure_records import DiscardedBatch

_FIRST_DELAY_SECONDS, _LONGEST_DELAY_SECONDS = 0.05, 5.0


@dataclass(frozen=True, slots=True)
class _Outcome:
    """The outcome of a try. `failed_offset` is None on success, `answer` is None if the function was not reached."""

    failed_offset: int | None
    answer: Answer | None


class Lane:
    """A partition's queue and its progress. A lane lives in the event loop.

    A poller's thread reads only `epoch`, `next_offset`, `done_offset` and `is_full`. `next_offset` is the next offset
    to fetch, None until a poller has begun. `done_offset` is the offset to commit: every record before it is done.
    `epoch` grows when the topic turns out to have been recreated. A lane `is_late` if its partition appeared while
    the source was running.
    """

    def __init__(
        self,
        source: KafkaSource,
        name: str,
        *,
        invoker: Invokes,
        discards: Discards,
        clock: Clock,
        announce: Callable[[str], None],
        topic_id: str,
        is_late: bool,
    ) -> None:
        self.name = name
        self._source = source
        self._invoker = invoker
        self._discards = discards
        self._clock = clock
        self._announce = announce
        self._buffer = Buffer(source.batch_size)
        self._stopping = asyncio.Event()
        self._delay_seconds = _FIRST_DELAY_SECONDS
        self.topic_id = topic_id
        self.is_late = is_late
        self.is_remade = False
        self.epoch = 0
        self.next_offset: int | None = None
        self.done_offset: int | None = None
        self.received = 0
        self.processed = 0
        self.filtered = 0
        self.given_up = 0
        self.retries = 0

    @property
    def is_full(self) -> bool:
        return self._buffer.is_full

    @property
    def lag(self) -> int:
        """The number of fetched records that are not done. A broker's own end offset is not trusted."""
        return self.received - self.processed - self.filtered - self.given_up

    def begin(self, epoch: int, offset: int) -> int:
        """Set where to begin, unless another poller was first, and return the offset to fetch."""
        if epoch == self.epoch and self.next_offset is None:
            self.next_offset = self.done_offset = offset
        return offset if self.next_offset is None else self.next_offset

    def put(self, epoch: int, records: Iterable[EncodedRecord]) -> None:
        """Append the records that follow; drop records that are already here or come from an older topic."""
        if epoch != self.epoch:
            return
        for record in records:
            if self.next_offset is None or record.offset >= self.next_offset:
                self._buffer.append(epoch, record)
                self.next_offset = record.offset + 1
                self.received += 1
                self.filtered += not record.is_wanted

    def restart(self, topic_id: str) -> None:
        """Continue with a recreated topic of the same name, after the rest of the old one.

        An empty id is not known yet.
        """
        self.is_remade = True
        # The order matters since a poller commits meanwhile: an old offset must never go with the new topic's id.
        self.next_offset = self.done_offset = None
        self.epoch += 1
        self.topic_id = topic_id

    async def run(self) -> None:
        """Process batches until `stop`; a batch in flight ends first."""
        while not self._stopping.is_set():
            batch = await self._next_batch()
            if batch is not None:
                await self._process(batch)

    def stop(self) -> None:
        self._stopping.set()
        self._buffer.wake()

    async def _next_batch(self) -> Batch | None:
        while not self._stopping.is_set():
            passed_over = self._buffer.pass_over_unwanted()
            for epoch, record in passed_over:
                self._advance(epoch, record.offset + 1)
            if not self._buffer.is_empty:
                break
            await self._buffer.wait()
        if self._source.batching_window_seconds > 0 and not self._stopping.is_set():
            await self._buffer.fill(self._source.batching_window_seconds, self._stopping)
        return None if self._stopping.is_set() else self._buffer.take_batch()

    async def _process(self, batch: Batch) -> None:
        """Process a batch and the parts it is split into. When the runner stops, the rest is left."""
        pieces = [batch]
        while pieces:
            rest = await self._work(pieces.pop())
            if rest is None:
                return
            pieces.extend(reversed(rest))

    async def _work(self, batch: Batch) -> tuple[Batch, ...] | None:
        """Return the parts that the batch is split into, () when it is done, or None when the runner stops."""
        retries, invoke_count, answer = 0, 0, None
        while True:
            batch, is_settled = await self._give_up_old(batch, invoke_count, answer)
            if not is_settled:
                return None
            if not batch.records:
                self._advance(batch.epoch, batch.end_offset)
                return ()
            if batch.is_too_large:
                return await self._give_up(batch, "MaximumPayloadSizeExceeded", 0, None)
            outcome = await self._try(batch)
            if outcome.failed_offset is None:
                self._succeed(batch, len(batch.records), batch.end_offset)
                return ()
            invoke_count += outcome.answer is not None
            answer = outcome.answer or answer
            rest = batch.rest_from(outcome.failed_offset)
            has_progressed = len(rest.records) < len(batch.records)
            if has_progressed:
                self._succeed(batch, len(batch.records) - len(rest.records), rest.records[0].offset)
                batch, retries = rest, 0
            if outcome.answer is not None:
                if self._source.bisects and len(batch.records) > 1 and not has_progressed:
                    # A split is no retry: https://docs.aws.amazon.com/lambda/latest/dg/kafka-retry-configurations.html
                    self.retries += 1
                    return None if await self._pause() else batch.halves()
                if 0 <= self._source.maximum_retries <= retries:
                    if self._source.bisects and len(batch.records) > 1:
                        return batch.halves()
                    return await self._give_up(batch, "RetryAttemptsExhausted", invoke_count, answer)
                retries += 1
            self.retries += 1
            if not has_progressed and await self._pause():
                return None

    async def _try(self, batch: Batch) -> _Outcome:
        first_offset = batch.records[0].offset
        payload = encode_event(self._source, self.name, batch.records)
        try:
            answer = await self._invoker.invoke(self._source.function_name, payload)
        except (FunctionThrottled, FunctionUnreachable):
            # This does not count as an attempt: the function did not run, and the batch waits as long as it may.
            return _Outcome(first_offset, None)
        if answer.error_type is not None:
            return _Outcome(first_offset, answer)
        if not self._source.report_batch_item_failures:
            return _Outcome(None, answer)
        offsets = [record.offset for record in batch.records]
        return _Outcome(first_failed_offset(answer.payload, self.name, offsets), answer)

    async def _give_up_old(
        self, batch: Batch, invoke_count: int, answer: Answer | None
    ) -> tuple[Batch, bool]:
        """Return the batch without expired records, and False if the runner stops before they are kept."""
        oldest_seconds = self._source.maximum_record_age_seconds
        if oldest_seconds < 0:
            return batch, True
        now = self._clock.now()
        young, old = batch.without(lambda record: (now - record.produced_at).total_seconds() > oldest_seconds)
        if old and not await self._discard(old, "RecordAgeExceeded", invoke_count, answer):
            return batch, False
        return young, True

    async def _give_up(
        self, batch: Batch, condition: str, invoke_count: int, answer: Answer | None
    ) -> tuple[Batch, ...] | None:
        if not await self._discard(batch.records, condition, invoke_count, answer):
            return None
        self._advance(batch.epoch, batch.end_offset)
        return ()

    async def _discard(
        self, records: tuple[EncodedRecord, ...], condition: str, invoke_count: int, answer: Answer | None
    ) -> bool:
        """Deliver records to the destination, and return False if the runner stops first.

        A destination that does not take them holds up the partition: a record that nobody has kept is not passed
        over.
        """
        discarded = DiscardedBatch(self.name, records, condition, invoke_count, answer)
        span = f"{records[0].offset}-{records[-1].offset}"
        self._announce(f"{self._source.logical_id}: {self.name} gives up offsets {span}: {condition}")
        while True:
            try:
                await self._discards.deliver(discarded)
            except DeliveryFailed as error:
                self._announce(f"{self._source.logical_id}: {self.name} keeps offsets {span}: {error}")
                if await self._pause():
                    return False
            else:
                self.given_up += len(records)
                self._delay_seconds = _FIRST_DELAY_SECONDS
                return True

    def _succeed(self, batch: Batch, count: int, done_offset: int) -> None:
        self.processed += count
        self._delay_seconds = _FIRST_DELAY_SECONDS
        self._advance(batch.epoch, done_offset)

    def _advance(self, epoch: int, done_offset: int) -> None:
        if epoch == self.epoch:
            self.done_offset = done_offset

    async def _pause(self) -> bool:
        """Wait before the next try, and return True if the runner stops meanwhile: nothing is committed then."""
        seconds = self._delay_seconds
        self._delay_seconds = min(2 * seconds, _LONGEST_DELAY_SECONDS)
        try:
            await asyncio.wait_for(self._stopping.wait(), seconds)
        except TimeoutError:
            return False
        return True
