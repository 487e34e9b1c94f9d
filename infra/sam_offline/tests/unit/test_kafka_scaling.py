from __future__ import annotations

from sam_offline.sources.kafka.pollers import IDLE_LOOKS, Scaling


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
