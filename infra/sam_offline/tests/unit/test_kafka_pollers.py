"""How many pollers there are, and the assignment of partitions to pollers that let go only when told to."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any

from kafka import TopicPartition

from sam_offline.clock import Clock
from sam_offline.invocation.destinations import Buckets
from sam_offline.invocation.invocation import Answer
from sam_offline.sources.kafka.lane import Lane
from sam_offline.sources.kafka.on_failure import Discards
from sam_offline.sources.kafka.poller import KafkaPoller, Lanes
from sam_offline.sources.kafka.pollers import IDLE_LOOKS, KafkaPollers, Scaling
from unit.kafka_sources import SOURCE

A, B = TopicPartition("orders", 0), TopicPartition("orders", 1)


class Nobody:
    async def invoke(self, reference: str, payload: bytes, *, request_id: str = "") -> Answer:
        raise AssertionError("there is no record")


class SlowPoller(KafkaPoller):
    """A poller that keeps its earlier partitions until `let_go`."""

    connected = True

    def __init__(self, on_end: Callable[[KafkaPoller], None]) -> None:
        self.on_end = on_end
        self.assigned = frozenset[TopicPartition]()
        self.in_use = frozenset[TopicPartition]()
        self.is_saturated = self.is_asked_to_stop = False

    @property
    def held(self) -> frozenset[TopicPartition]:
        return self.assigned | self.in_use

    def start(self) -> None:
        """It has no thread."""

    def assign(self, lanes: Lanes) -> None:
        self.assigned = frozenset(lanes)

    def take_saturation(self) -> bool:
        return self.is_saturated

    def ask_to_stop(self) -> None:
        self.is_asked_to_stop = True

    def join(self, timeout_seconds: float) -> None:
        """It has no thread."""

    def let_go(self) -> None:
        self.in_use = self.assigned


def lanes(*partitions: TopicPartition) -> Lanes:
    discards = Discards(SOURCE, "us-east-1", Buckets({}), Clock())

    def lane(partition: TopicPartition) -> Lane:
        return Lane(
            SOURCE,
            f"{partition.topic}-{partition.partition}",
            invoker=Nobody(),
            discards=discards,
            clock=Clock(),
            announce=lambda line: None,
            topic_id="",
            is_late=False,
        )

    return {partition: lane(partition) for partition in partitions}


def play(scene: Callable[[KafkaPollers, list[SlowPoller]], Coroutine[Any, Any, None]], minimum: int) -> None:
    async def scenario() -> None:
        created: list[SlowPoller] = []

        def create(on_end: Callable[[KafkaPoller], None]) -> SlowPoller:
            created.append(SlowPoller(on_end))
            return created[-1]

        pollers = KafkaPollers(replace(SOURCE, minimum_pollers=minimum, maximum_pollers=2), create)
        await scene(pollers, created)
        await pollers.stop(1)
        assert all(poller.is_asked_to_stop for poller in created)

    asyncio.run(scenario())


def test_what_a_poller_that_goes_has_is_taken_once_it_has_ended() -> None:
    async def scene(pollers: KafkaPollers, created: list[SlowPoller]) -> None:
        pollers.look(lanes(A, B))
        first, second = created
        assert first.assigned == {A}
        assert second.assigned == {B}
        pollers.look(lanes(B))
        assert second.is_asked_to_stop
        await asyncio.sleep(0.12)
        assert first.assigned == frozenset()
        second.on_end(second)
        assert first.assigned == {B}

    play(scene, minimum=2)


def test_what_a_poller_hands_over_is_taken_once_it_has_let_go() -> None:
    async def scene(pollers: KafkaPollers, created: list[SlowPoller]) -> None:
        pollers.look(lanes(A, B))
        (first,) = created
        first.let_go()
        first.is_saturated = True
        pollers.look(lanes(A, B))
        second = created[1]
        assert first.assigned == {A}
        await asyncio.sleep(0.12)
        assert second.assigned == frozenset()
        first.let_go()
        while second.assigned != {B}:
            await asyncio.sleep(0.01)
        assert first.assigned == {A}

    play(scene, minimum=1)


def test_what_was_let_go_is_committed_by_a_stop_though_no_look_has_come() -> None:
    async def scene(pollers: KafkaPollers, created: list[SlowPoller]) -> None:
        pollers.look(lanes(A, B))
        first = created[0]
        first.let_go()
        first.is_saturated = True
        pollers.look(lanes(A, B))
        first.let_go()
        await pollers.stop(1)
        assert created[1].assigned == {B}

    play(scene, minimum=1)


def looks(scaling: Scaling, *, is_saturated: bool, partitions: int, count: int) -> list[int]:
    return [scaling.look(is_saturated=is_saturated, partitions=partitions) for _ in range(count)]


def test_pollers_grow_while_fetching_is_the_bottleneck_up_to_the_maximum_and_the_partitions() -> None:
    assert looks(Scaling(1, 3), is_saturated=True, partitions=8, count=4) == [2, 3, 3, 3]
    assert looks(Scaling(1, 100), is_saturated=True, partitions=2, count=3) == [2, 2, 2]


def test_pollers_go_one_by_one_once_they_have_not_been_needed_for_long() -> None:
    scaling = Scaling(1, 3)
    looks(scaling, is_saturated=True, partitions=8, count=2)
    idle = looks(scaling, is_saturated=False, partitions=8, count=3 * IDLE_LOOKS)
    assert idle[IDLE_LOOKS - 2 : IDLE_LOOKS] == [3, 2]
    assert idle[-1] == 1


def test_the_minimum_is_there_at_once_as_far_as_there_are_partitions() -> None:
    assert Scaling(4, 8).look(is_saturated=False, partitions=6) == 4
    assert Scaling(4, 8).look(is_saturated=False, partitions=3) == 3
    assert Scaling(4, 8).look(is_saturated=False, partitions=0) == 0
