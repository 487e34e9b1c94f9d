"""Records of one partition that one invoke gets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from sam_offline.invocation.invocation import MAXIMUM_PAYLOAD_BYTES
from sam_offline.sources.kafka.event import EncodedRecord

# Room for the event's own keys around its records.
ENVELOPE_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Batch:
    """`end_offset` is where the partition goes on once the batch is done: past what filters left out, too.

    `epoch` tells whether the topic has been made anew since.
    """

    epoch: int
    records: tuple[EncodedRecord, ...]
    end_offset: int

    @property
    def is_too_large(self) -> bool:
        """Whether no event can hold it: only a record that is alone in its batch may be."""
        return len(self.records) == 1 and len(self.records[0].json) + ENVELOPE_BYTES > MAXIMUM_PAYLOAD_BYTES

    def rest_from(self, offset: int) -> Batch:
        """Return what is left when everything before `offset` is done."""
        return replace(self, records=tuple(record for record in self.records if record.offset >= offset))

    def halves(self) -> tuple[Batch, Batch]:
        """Return two batches that follow each other; there are two records or more."""
        middle = len(self.records) // 2
        first, second = self.records[:middle], self.records[middle:]
        return (
            replace(self, records=first, end_offset=second[0].offset),
            replace(self, records=second),
        )

    def without(self, leaves: Callable[[EncodedRecord], bool]) -> tuple[Batch, tuple[EncodedRecord, ...]]:
        """Return the batch without those records, and them."""
        left_out = tuple(record for record in self.records if leaves(record))
        if not left_out:
            return self, ()
        return replace(self, records=tuple(record for record in self.records if not leaves(record))), left_out
