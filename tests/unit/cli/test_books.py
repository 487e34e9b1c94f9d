"""The demo's books, with and without a lost record."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from infra.cli.demo.books import Books, Check, close_books
from infra.cli.demo.client import Answer
from infra.cli.demo.evidence import StageCounts

ACCEPTED = [Answer(202, json.dumps({"record_id": f"record-{n}"}).encode(), at=0.0) for n in range(3)]
REFUSED = Answer(400, b'{"error": "patient.dob: is missing"}', at=0.0)
ALL_THERE = StageCounts(idempotency_rows=3, manifest_rows=3, published=3, canonical=3, dead_letters=0)
RAW = {"record-0", "record-1", "record-2"}


def broken(books: Books) -> list[Check]:
    return [check for check in books.checks() if not check.holds]


def test_books_balance_when_every_request_is_refused_or_canonical() -> None:
    books = close_books([*ACCEPTED, REFUSED], ALL_THERE, RAW)
    assert books.unaccounted == 0
    assert not broken(books)


def test_a_dead_letter_is_accounted_for() -> None:
    books = close_books([*ACCEPTED, REFUSED], replace(ALL_THERE, canonical=2, dead_letters=1), RAW)
    assert books.unaccounted == 0
    assert not broken(books)


def test_a_lost_record_is_unaccounted_for() -> None:
    books = close_books([*ACCEPTED, REFUSED], replace(ALL_THERE, canonical=2), RAW)
    assert books.unaccounted == 1
    assert len(broken(books)) == 1


@pytest.mark.parametrize("status", [0, 500, 503])
def test_a_request_without_a_proper_answer_is_unaccounted_for(status: int) -> None:
    books = close_books([*ACCEPTED, Answer(status, b"", at=0.0)], ALL_THERE, RAW)
    assert books.unaccounted == 1


def test_one_record_for_two_requests_does_not_hide() -> None:
    twice = [*ACCEPTED, ACCEPTED[0]]
    assert broken(close_books(twice, ALL_THERE, RAW))


@pytest.mark.parametrize("stage", ["idempotency_rows", "manifest_rows", "published"])
def test_a_stage_that_lost_a_row_breaks_a_check_of_its_own(stage: str) -> None:
    assert len(broken(close_books(ACCEPTED, replace(ALL_THERE, **{stage: 2}), RAW))) == 1


def test_a_missing_raw_object_breaks_a_check_and_a_stranger_does_not() -> None:
    assert len(broken(close_books(ACCEPTED, ALL_THERE, {"record-0", "record-1"}))) == 1
    assert not broken(close_books(ACCEPTED, ALL_THERE, RAW | {"somebody-else"}))


def test_refusals_are_counted_by_what_was_answered() -> None:
    assert close_books([REFUSED, REFUSED], ALL_THERE, RAW).refused == {"400 patient.dob: is missing": 2}
