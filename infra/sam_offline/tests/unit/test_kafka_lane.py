from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from sam_offline.clock import Clock
from sam_offline.errors import DeliveryFailed, FunctionThrottled, RunnerError, UnknownFunction
from sam_offline.invocation.destinations import Buckets
from sam_offline.invocation.invocation import MAXIMUM_PAYLOAD_BYTES, Answer
from sam_offline.model import KafkaSource
from sam_offline.sources.kafka.event import EncodedRecord
from sam_offline.sources.kafka.lane import Lane
from sam_offline.sources.kafka.on_failure import Discards
from sam_offline.sources.kafka.on_failure_records import DiscardedBatch
from unit import kafka_sources

SOURCE = replace(kafka_sources.SOURCE, batch_size=10)
OK = b"null"


class ScriptedFunction:
    """Answers each batch, given as its offsets, by a rule, and keeps the batches."""

    def __init__(self, rule: Callable[[list[int], int], bytes | None]) -> None:
        self._rule = rule
        self.seen: list[list[int]] = []

    def invoke(self, reference: str, payload: bytes, *, request_id: str = "") -> Awaitable[Answer]:
        offsets = [record["offset"] for record in json.loads(payload)["records"]["orders-0"]]
        self.seen.append(offsets)
        return self._answer(offsets)

    async def _answer(self, offsets: list[int]) -> Answer:
        answer = self._rule(offsets, len(self.seen))
        return Answer("id", b"{}", "Unhandled") if answer is None else Answer("id", answer)


class ListedDiscards(Discards):
    """Keeps given-up records in a list, after failing a number of times."""

    def __init__(self, source: KafkaSource, clock: Clock, failures: int = 0) -> None:
        super().__init__(source, "us-east-1", Buckets({}), clock)
        self._failures = failures
        self.kept: list[tuple[str, list[int], int]] = []

    async def deliver(self, batch: DiscardedBatch) -> None:
        if self._failures:
            self._failures -= 1
            raise DeliveryFailed("bucket kept: away")
        self.kept.append((batch.condition, [record.offset for record in batch.records], batch.invoke_count))


def record(offset: int, size: int = 0) -> EncodedRecord:
    return EncodedRecord(offset, json.dumps({"offset": offset, "value": "x" * size}).encode(), 0, None)


class Work:
    """A lane that processes records until an offset is reached."""

    def __init__(self, source: KafkaSource, function: ScriptedFunction, failures: int = 0) -> None:
        clock = Clock()
        self.function = function
        self.discards = ListedDiscards(source, clock, failures)
        self.lane = Lane(
            source,
            "orders-0",
            invoker=function,
            discards=self.discards,
            clock=clock,
            announce=lambda _: None,
            topic_id="one",
            is_late=False,
        )

    async def until(self, done_offset: int) -> None:
        task = asyncio.create_task(self.lane.run())
        async with asyncio.timeout(20):
            while self.lane.done_offset != done_offset:
                await asyncio.sleep(0.005)
        self.lane.stop()
        await task


def work_off(
    source: KafkaSource,
    rule: Callable[[list[int], int], bytes | None],
    *records: EncodedRecord,
    failures: int = 0,
) -> Work:
    async def scenario() -> Work:
        work = Work(source, ScriptedFunction(rule), failures)
        work.lane.begin(0, records[0].offset)
        work.lane.put(0, records)
        await work.until(records[-1].offset + 1)
        return work

    return asyncio.run(scenario())


def failed_from(offset: int) -> bytes:
    item = {"itemIdentifier": {"partition": "orders-0", "offset": offset}}
    return json.dumps({"batchItemFailures": [item]}).encode()


def test_what_comes_twice_from_two_pollers_is_worked_off_once() -> None:
    work = work_off(SOURCE, lambda *_: OK, record(0), record(1), record(1), record(0), record(2))
    assert work.function.seen == [[0, 1, 2]]


def test_a_split_is_no_retry_and_keeps_the_order() -> None:
    source = replace(SOURCE, bisects=True, maximum_retries=0)
    work = work_off(source, lambda offsets, _: None if 3 in offsets else OK, *map(record, range(5)))
    assert work.function.seen == [[0, 1, 2, 3, 4], [0, 1], [2, 3, 4], [2], [3, 4], [3], [4]]
    assert work.discards.kept == [("RetryAttemptsExhausted", [3], 1)]
    assert (work.lane.processed, work.lane.given_up, work.lane.lag) == (4, 1, 0)


def test_progress_within_a_batch_begins_its_retries_anew() -> None:
    source = replace(SOURCE, maximum_retries=1)

    def rule(offsets: list[int], _: int) -> bytes:
        return OK if offsets[0] == 3 else failed_from(offsets[0] + (offsets[0] < 2))

    work = work_off(source, rule, *map(record, range(4)))
    # What fails first in the second batch has its one retry in the third.
    assert work.function.seen == [[0, 1, 2, 3], [1, 2, 3], [2, 3]]
    assert work.discards.kept == [("RetryAttemptsExhausted", [2, 3], 3)]


@pytest.mark.parametrize("refusal", [FunctionThrottled("Reader"), UnknownFunction("Reader")])
def test_a_batch_that_the_function_did_not_get_has_not_been_tried(refusal: RunnerError) -> None:
    def rule(_: list[int], tries: int) -> bytes | None:
        if tries < 4:
            raise refusal
        return OK

    work = work_off(replace(SOURCE, maximum_retries=0), rule, record(0))
    assert work.function.seen == [[0]] * 4
    assert work.discards.kept == []


def test_a_record_too_large_for_any_event_is_given_up_unseen() -> None:
    large = record(1, MAXIMUM_PAYLOAD_BYTES)
    work = work_off(SOURCE, lambda *_: OK, record(0), large, record(2))
    assert work.function.seen == [[0], [2]]
    assert work.discards.kept == [("MaximumPayloadSizeExceeded", [1], 0)]


def test_a_destination_that_is_away_holds_the_partition_until_it_is_back() -> None:
    source = replace(SOURCE, maximum_retries=0, batch_size=1)
    work = work_off(source, lambda offsets, _: None if 0 in offsets else OK, record(0), record(1), failures=3)
    assert work.function.seen == [[0], [1]]
    assert work.discards.kept == [("RetryAttemptsExhausted", [0], 1)]


@pytest.mark.parametrize("failures", [1, 5])
def test_without_a_limit_a_batch_is_tried_for_ever_and_nothing_overtakes_it(failures: int) -> None:
    source = replace(SOURCE, bisects=True)
    work = work_off(source, lambda _, tries: None if tries <= failures else OK, *map(record, range(4)))
    seen = [offsets for number, offsets in enumerate(work.function.seen) if number >= failures]
    assert [offset for offsets in seen for offset in offsets] == [0, 1, 2, 3]
    assert work.discards.kept == []


def test_a_topic_that_was_made_anew_begins_behind_what_is_left_of_the_old_one() -> None:
    async def scenario() -> Work:
        work = Work(SOURCE, ScriptedFunction(lambda *_: OK))
        work.lane.begin(0, 7)
        work.lane.put(0, [record(7), record(8)])
        work.lane.restart("two")
        work.lane.put(0, [record(9)])
        work.lane.begin(1, 0)
        work.lane.put(1, [record(0)])
        await work.until(1)
        return work

    work = asyncio.run(scenario())
    # Batches are never of both, and the old one's offsets are not committed to the new one.
    assert work.function.seen == [[7, 8], [0]]
    assert (work.lane.epoch, work.lane.topic_id) == (1, "two")
