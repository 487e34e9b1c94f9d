"""The fetched records of a partition that wait for the function, and the batches made of them."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace

from sam_offline.invocation.invocation import MAXIMUM_PAYLOAD_BYTES
from sam_offline.sources.kafka.event import EncodedRecord

_BUFFERED_BYTES = 4 * MAXIMUM_PAYLOAD_BYTES
# Room for the event's own keys around its records.
ENVELOPE_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Batch:
    """Consecutive records of a partition for one invocation.

    The partition continues at `end_offset` once the batch is done, past records that the filters left out. `epoch`
    tells whether the topic has been recreated since.
    """

    epoch: int
    records: tuple[EncodedRecord, ...]
    end_offset: int

    @property
    def is_too_large(self) -> bool:
        """Whether the batch fits into no event, which can happen only with a single record."""
        return len(self.records) == 1 and len(self.records[0].json) + ENVELOPE_BYTES > MAXIMUM_PAYLOAD_BYTES

    def rest_from(self, offset: int) -> Batch:
        """Return the batch without the records before `offset`."""
        return replace(self, records=tuple(record for record in self.records if record.offset >= offset))

    def halves(self) -> tuple[Batch, Batch]:
        """Return two batches that follow each other. The batch must have two records or more."""
        middle = len(self.records) // 2
        first, second = self.records[:middle], self.records[middle:]
        return (
            replace(self, records=first, end_offset=second[0].offset),
            replace(self, records=second),
        )

    def without(self, leaves: Callable[[EncodedRecord], bool]) -> tuple[Batch, tuple[EncodedRecord, ...]]:
        """Return the batch without the records for which `leaves` is true, and those records."""
        left_out = tuple(record for record in self.records if leaves(record))
        if not left_out:
            return self, ()
        return replace(self, records=tuple(record for record in self.records if not leaves(record))), left_out


class Buffer:
    """The records of a partition; it makes batches that fit into one event and have one epoch."""

    def __init__(self, batch_size: int) -> None:
        self._batch_size = batch_size
        self._records: deque[tuple[int, EncodedRecord]] = deque()
        self._bytes = 0
        self._wanted = 0
        self._arrived = asyncio.Event()

    @property
    def is_empty(self) -> bool:
        return not self._records

    @property
    def is_full(self) -> bool:
        return len(self._records) >= 4 * self._batch_size or self._bytes >= _BUFFERED_BYTES

    def append(self, epoch: int, record: EncodedRecord) -> None:
        self._records.append((epoch, record))
        self._bytes += len(record.json)
        self._wanted += record.is_wanted
        self._arrived.set()

    def wake(self) -> None:
        """End a wait."""
        self._arrived.set()

    async def wait(self) -> None:
        """Wait for a record."""
        self._arrived.clear()
        await self._arrived.wait()

    async def fill(self, window_seconds: float, stopping: asyncio.Event) -> None:
        """Wait until a batch is full or the window is over."""
        try:
            async with asyncio.timeout(window_seconds):
                while (
                    self._wanted < self._batch_size
                    and self._bytes < MAXIMUM_PAYLOAD_BYTES
                    and not stopping.is_set()
                ):
                    await self.wait()
        except TimeoutError:
            return

    def pass_over_unwanted(self) -> list[tuple[int, EncodedRecord]]:
        """Remove and return the records at the front that no filter wants."""
        passed = []
        while self._records and not self._records[0][1].is_wanted:
            passed.append(self._records.popleft())
        return passed

    def take_batch(self) -> Batch:
        """Remove and return the next batch. The record at the front must be a wanted one.

        A record too large for any event is alone in its batch.
        """
        epoch = self._records[0][0]
        records: list[EncodedRecord] = []
        end_offset, size = 0, ENVELOPE_BYTES
        while self._records and self._records[0][0] == epoch:
            record = self._records[0][1]
            size += len(record.json) + 1
            is_over = len(records) == self._batch_size or size > MAXIMUM_PAYLOAD_BYTES
            if records and record.is_wanted and is_over:
                break
            self._records.popleft()
            end_offset = record.offset + 1
            if record.is_wanted:
                self._bytes -= len(record.json)
                self._wanted -= 1
                records.append(record)
        return Batch(epoch, tuple(records), end_offset)
