"""Every attempt is committed before its work and ended together with its effect."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from exchange.errors import DependencyUnavailable
from exchange.intake.model import Submission
from exchange.records.service import Normalizer
from tests.integration.exchange.harness import (
    TOPICS,
    Exchange,
    InProcessTokenizer,
    event_id_of,
    kafka_event,
    submission,
)

RECORD = submission("key-of-the-ledger")
ANOTHER = submission("key-of-another-one")


class TokenizerThatThen(InProcessTokenizer):
    """Tokenizes, then calls a function."""

    def __init__(self, then: Callable[[], object]) -> None:
        super().__init__()
        self._then = then

    def invoke(self, payload: dict[str, Any]) -> dict[str, Any]:
        answer = super().invoke(payload)
        self._then()
        return answer


class Killed(BaseException):
    """Simulates the end of a process: no handler of an exception runs."""


def die() -> None:
    raise Killed


def attempts_on(exchange: Exchange, record: Submission) -> list[tuple[str, str | None]]:
    return exchange.rows(
        "SELECT state, error_code FROM processing_attempts WHERE record_id = %s ORDER BY started_at",
        record.record_id,
    )


def taken_for_dead(exchange: Exchange) -> None:
    exchange.rows("UPDATE processing_stage_state SET environment_id = 'died' WHERE state = 'running'")


def test_an_attempt_says_which_event_it_was_and_where_it_lay(exchange: Exchange) -> None:
    exchange.put(RECORD)
    exchange.normalizer().normalize(kafka_event(exchange.event(RECORD), first_offset=41))
    ((state, event_id, topic, partition, offset, took, same),) = exchange.rows(
        "SELECT a.state, a.event_id, topic, kafka_partition, kafka_offset, a.finished_at > a.started_at,"
        " (a.started_at, a.environment_id) = (s.started_at, s.environment_id)"
        " FROM processing_attempts a JOIN processing_stage_state s USING (record_id, stage)"
    )
    assert (state, UUID(str(event_id))) == ("succeeded", event_id_of(RECORD))
    assert (topic, partition, offset) == (TOPICS["2"], 0, 41)
    assert took
    assert same


def test_an_attempt_is_committed_before_its_work(exchange: Exchange) -> None:
    exchange.put(RECORD)
    seen: list[Any] = []
    tokenizer = TokenizerThatThen(lambda: seen.extend(attempts_on(exchange, RECORD)))
    exchange.normalizer(tokenizer=tokenizer).normalize(kafka_event(exchange.event(RECORD)))
    assert seen == [("running", None)]


def test_five_attempts_are_five_rows(exchange: Exchange) -> None:
    event = kafka_event(exchange.event(RECORD))
    for _ in range(6):
        exchange.normalizer().normalize(event)
    failed = [("failed_retryable", "record_not_ready")] * 4
    assert attempts_on(exchange, RECORD) == [*failed, ("dlq", "record_not_ready")]


def test_an_outage_leaves_rows_that_do_not_count(exchange: Exchange) -> None:
    def fail() -> None:
        raise DependencyUnavailable("the function TokenizeFunction did not answer")

    exchange.put(RECORD)
    event = kafka_event(exchange.event(RECORD))
    for _ in range(2):
        with pytest.raises(DependencyUnavailable):
            exchange.normalizer(tokenizer=TokenizerThatThen(fail)).normalize(event)
    exchange.normalizer().normalize(event)
    given_back = ("given_back", "dependency_unavailable")
    assert attempts_on(exchange, RECORD) == [given_back, given_back, ("succeeded", None)]


def test_an_attempt_that_the_database_s_absence_cut_short_is_given_back_by_the_next(
    exchange: Exchange,
) -> None:
    exchange.put(RECORD)
    event = kafka_event(exchange.event(RECORD))
    with pytest.raises(Killed):
        exchange.normalizer(tokenizer=TokenizerThatThen(die)).normalize(event)
    # to the ledger, this is the same environment
    exchange.normalizer().normalize(event)
    assert attempts_on(exchange, RECORD) == [("given_back", "dependency_unavailable"), ("succeeded", None)]


def test_an_attempt_under_which_the_environment_died_is_abandoned(exchange: Exchange) -> None:
    for record in (RECORD, ANOTHER):
        exchange.put(record)
    event = kafka_event(exchange.event(RECORD), exchange.event(ANOTHER))
    with pytest.raises(Killed):
        exchange.normalizer(tokenizer=TokenizerThatThen(die)).normalize(event)
    taken_for_dead(exchange)
    assert exchange.normalizer().normalize(event).canonical == 2
    for record in (RECORD, ANOTHER):
        assert attempts_on(exchange, record) == [("abandoned", "environment_died"), ("succeeded", None)]


def test_the_outcome_is_written_with_the_effect_or_not_at_all(exchange: Exchange) -> None:
    exchange.put(RECORD)
    exchange.rows("ALTER TABLE patient_tokens RENAME TO patient_tokens_away")
    with pytest.raises(Exception, match="patient_tokens"):
        exchange.normalizer().normalize(kafka_event(exchange.event(RECORD)))
    assert attempts_on(exchange, RECORD) == [("running", None)]
    assert exchange.count("canonical_records") == 0


def test_a_late_twin_neither_undoes_nor_buries_what_the_other_made_canonical(exchange: Exchange) -> None:
    exchange.put(RECORD)
    event = kafka_event(exchange.event(RECORD))

    def be_overtaken() -> None:
        taken_for_dead(exchange)
        assert exchange.normalizer().normalize(event).canonical == 1
        # and the rows that the twin is about to write would be refused
        exchange.rows("ALTER TABLE canonical_records ADD CONSTRAINT nobody CHECK (birth_year = 0) NOT VALID")

    slow: Normalizer = exchange.normalizer(tokenizer=TokenizerThatThen(be_overtaken))
    report = slow.normalize(event)
    assert (report.canonical, report.dead_letters, report.repeated) == (0, 0, 1)
    assert exchange.rows("SELECT state FROM processing_stage_state") == [("succeeded",)]
    assert exchange.count("dead_letters") == 0
    assert exchange.count("canonical_records") == 1
