"""The judge of the fault injection must detect every kind of false ledger."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.chaos.clients import Answer
from tests.chaos.records import Posting
from tests.chaos.verdict import Held, Told, Verdict, is_in_order, judge

GOOD, BAD = "record-good", "record-bad"


def answer(record_id: str, status: int = 202, correlation_id: str = "first") -> Answer:
    body = json.dumps({"record_id": record_id, "correlation_id": correlation_id}).encode()
    return Answer(status, body, at=0.0, tries=1)


def told(record_id: str, *, is_readable: bool = True) -> Told:
    return Told(Posting(1, "/v2/ingest", f"key-of-{record_id}", b"{}", is_readable), (answer(record_id),))


TOLD = (told(GOOD), told(BAD, is_readable=False))
HELD = Held(
    canonical=frozenset({GOOD}),
    whole=frozenset({GOOD, "stranger", "earlier", "other"}),
    manifest=frozenset({GOOD, BAD}),
    raw_objects=frozenset({GOOD, BAD}),
    dead_letters={BAD: 1},
    rows_by_number={"token": 1},
)


def test_a_ledger_that_balances_is_survived() -> None:
    assert judge(TOLD, HELD) == Verdict()


@pytest.mark.parametrize(
    ("lie", "finding"),
    [
        ({"canonical": frozenset()}, {"lost": (GOOD,)}),
        ({"raw_objects": frozenset({BAD})}, {"lost": (GOOD,)}),
        ({"dead_letters": {}}, {"lost": (BAD,)}),
        ({"dead_letters": {BAD: 2}}, {"doubled": (BAD,)}),
        ({"dead_letters": {GOOD: 1, BAD: 1}}, {"doubled": (GOOD,)}),
        ({"rows_by_number": {"token": 2}}, {"doubled": ("token",)}),
        ({"canonical": frozenset(), "dead_letters": {GOOD: 1, BAD: 1}}, {"misjudged": (GOOD,)}),
        ({"whole": frozenset()}, {"torn": (GOOD,)}),
        ({"canonical": frozenset({GOOD, "stranger"})}, {"uninvited": ("stranger",)}),
        ({"raw_objects": frozenset({GOOD, BAD, "orphan"})}, {"orphaned": ("orphan",)}),
    ],
)
def test_each_lie_of_a_ledger_is_named(lie: dict[str, object], finding: dict[str, tuple[str, ...]]) -> None:
    assert judge(TOLD, replace(HELD, **lie)).findings() == finding  # type: ignore[arg-type]


def test_a_manifest_that_forgets_shows_as_lost_and_as_orphaned() -> None:
    verdict = judge(TOLD, replace(HELD, manifest=frozenset({BAD})))
    assert verdict.findings() == {"lost": (GOOD,), "orphaned": (GOOD,)}


def test_what_earlier_faults_brought_is_no_stranger() -> None:
    held = replace(HELD, canonical=frozenset({GOOD, "earlier"}))
    assert judge(TOLD, held, accepted_before=frozenset({"earlier"})) == Verdict()


def test_one_key_accepted_as_two_records_is_doubled() -> None:
    twice = replace(TOLD[0], answers=(answer(GOOD), answer("other")))
    held = replace(HELD, canonical=frozenset({GOOD, "other"}), manifest=HELD.manifest | {"other"})
    held = replace(held, raw_objects=HELD.raw_objects | {"other"})
    assert judge((twice, TOLD[1]), held).findings() == {"doubled": ("key-of-record-good",)}


def test_two_answers_to_one_request_that_differ_in_a_byte_are_changed() -> None:
    changed = replace(TOLD[0], answers=(answer(GOOD), answer(GOOD, correlation_id="second")))
    assert judge((changed, TOLD[1]), HELD).findings() == {"changed": ("key-of-record-good",)}
    later = [(answer(GOOD), answer(GOOD, correlation_id="second"))]
    assert judge(TOLD, HELD, repeated=later).findings() == {"changed": (GOOD,)}


def test_a_good_record_that_is_refused_or_never_answered_is_unanswered() -> None:
    for status in (0, 400, 500):
        refused = replace(TOLD[0], answers=(replace(answer(GOOD), status=status),))
        held = replace(HELD, canonical=frozenset(), raw_objects=frozenset({BAD}), manifest=frozenset({BAD}))
        assert judge((refused, TOLD[1]), held).findings() == {"unanswered": ("key-of-record-good",)}


@pytest.mark.parametrize(
    "numbers", [[], [0], [0, 1, 2], [0, 1, 0, 1, 2], [0, 0, 1, 1], [0, 1, 2, 1, 2, 3], [0, 1, 2, 0, 3]]
)
def test_order_is_kept_also_where_a_stretch_or_a_late_copy_comes_again(numbers: list[int]) -> None:
    assert is_in_order(numbers)


@pytest.mark.parametrize("numbers", [[1], [0, 2], [0, 2, 1], [0, 1, 3, 2], [-1], [0, 1, 0, 3]])
def test_a_gap_or_a_step_forward_too_far_is_disorder(numbers: list[int]) -> None:
    assert not is_in_order(numbers)
    assert judge(TOLD, HELD, sequences={"key": numbers}).findings() == {"disordered": ("key",)}


@given(st.integers(2, 30), st.data())
def test_leaving_one_number_out_is_always_seen(count: int, data: st.DataObject) -> None:
    missing = data.draw(st.integers(0, count - 2))
    assert not is_in_order([number for number in range(count) if number != missing])
