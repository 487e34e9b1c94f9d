"""The short form of `make chaos`: the faults that show most, and the proof that a loss is detected."""

from __future__ import annotations

import pytest

from tests.chaos.conftest import Laboratory
from tests.chaos.disturbances import AnswerInstead
from tests.chaos.faults import Fault, brief_faults
from tests.chaos.injection import Rule
from tests.chaos.kafka_wire import acknowledge_produce
from tests.chaos.report import describe
from tests.chaos.steps import Moment, Step

RECORDS = 180
PATIENCE_SECONDS = 75.0


@pytest.mark.parametrize("fault", brief_faults(), ids=lambda fault: fault.name)
def test_nothing_is_lost_and_nothing_doubled_when(fault: Fault, laboratory: Laboratory) -> None:
    outcome = laboratory.suffer(fault, RECORDS, stalled_after_seconds=PATIENCE_SECONDS)
    assert describe(outcome) == []
    assert outcome.accepted == RECORDS


def test_a_broker_that_acknowledges_what_it_does_not_keep_is_found_out(laboratory: Laboratory) -> None:
    lies = Rule(
        Step.PRODUCE, Moment.BEFORE, AnswerInstead(acknowledge_produce, last=False), times=3, gap_seconds=0.2
    )
    outcome = laboratory.suffer(Fault("the broker lies", (lies,)), 60, stalled_after_seconds=3.0)
    assert outcome.accepted == 60
    assert outcome.verdict.lost
    assert set(outcome.verdict.findings()) <= {"lost", "disordered"}
