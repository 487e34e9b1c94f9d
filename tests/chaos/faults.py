"""The table of faults. The name of each is its sentence in the report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from tests.chaos.disturbances import AnswerInstead, Delay, Freeze, Kill, KillFunction, Reset
from tests.chaos.injection import Disturbance, Injector, Rule
from tests.chaos.kafka_wire import acknowledge_produce, refuse_produce
from tests.chaos.s3_wire import slow_down
from tests.chaos.steps import Moment, Step
from tests.chaos.system import Victim

BEFORE, AFTER = Moment.BEFORE, Moment.AFTER
# Several kills during one load, far enough apart for the system to recover in between.
TIMES, GAP_SECONDS = 3, 4.0
FROZEN_SECONDS = 4.0


class Stroke(Protocol):
    """A disturbance at any time, independent of the system's work."""

    async def strike(self, injector: Injector) -> None: ...


@dataclass(frozen=True)
class Fault:
    """A fault at steps of the work (`rules`), at any time (`stroke`), or in the events themselves.

    Rules without a number of times apply for `lasts_seconds`.
    """

    name: str
    rules: tuple[Rule, ...] = ()
    stroke: Stroke | None = None
    lasts_seconds: float = 0.0
    redelivers: bool = False
    loses_events: bool = False
    """True when the broker itself loses events, which reconcile has to find."""


def at(
    step: Step,
    moment: Moment,
    disturbance: Disturbance,
    times: int = TIMES,
    gap_seconds: float = GAP_SECONDS,
) -> tuple[Rule, ...]:
    return (Rule(step, moment, disturbance, times=times, gap_seconds=gap_seconds),)


def now_and_then(share: float, moment: Moment, disturbance: Disturbance, *steps: Step) -> tuple[Rule, ...]:
    return tuple(Rule(step, moment, disturbance, share=share) for step in steps)


_ENVIRONMENT = Kill(Victim.ENVIRONMENT)
# The function whose environment is killed, the step of its work, the number of kills, and the seconds between them.
_STEPS = (
    # One of several environments dies, with one request: the others hardly notice, so more of them are killed.
    ("ingest", Step.RAW_PUT, 8, 0.5),
    ("ingest", Step.INGEST_COMMIT, 8, 0.5),
    ("outbox-publish", Step.PRODUCE, TIMES, GAP_SECONDS),
    ("outbox-publish", Step.MARK_COMMIT, TIMES, GAP_SECONDS),
    ("normalize", Step.ATTEMPT_COMMIT, TIMES, GAP_SECONDS),
    ("normalize", Step.RAW_GET, TIMES, GAP_SECONDS),
    ("normalize", Step.CANONICAL_COMMIT, TIMES, GAP_SECONDS),
)
_SERVICE_STEPS = (
    ("Postgres", Victim.POSTGRES, ((BEFORE, Step.INGEST_COMMIT), (AFTER, Step.INGEST_COMMIT))),
    ("Postgres", Victim.POSTGRES, ((AFTER, Step.MARK_COMMIT), (AFTER, Step.CANONICAL_COMMIT))),
    ("a Postgres backend", Victim.BACKEND, ((AFTER, Step.INGEST_COMMIT), (BEFORE, Step.CANONICAL_COMMIT))),
    ("S3", Victim.S3, ((BEFORE, Step.RAW_PUT), (AFTER, Step.RAW_PUT), (BEFORE, Step.RAW_GET))),
    ("the broker", Victim.BROKER, ((BEFORE, Step.PRODUCE), (AFTER, Step.PRODUCE), (AFTER, Step.FETCH))),
    (
        "the runner",
        Victim.RUNNER,
        ((AFTER, Step.RAW_PUT), (AFTER, Step.INGEST_COMMIT), (AFTER, Step.PRODUCE)),
    ),
)


def _kills() -> list[Fault]:
    faults = [
        Fault(f"kill -9 of {who} {moment.value} {step.value}", at(step, moment, _ENVIRONMENT, times, gap))
        for who, step, times, gap in _STEPS
        for moment in (BEFORE, AFTER)
    ]
    faults += [
        Fault(f"kill -9 of {who} {moment.value} {step.value}", at(step, moment, Kill(victim), times=1))
        for who, victim, steps in _SERVICE_STEPS
        for moment, step in steps
    ]
    # Offsets are committed by a poller inside the runner.
    faults.append(
        Fault(
            "kill -9 of the runner between canonical rows and the commit of offsets",
            at(Step.OFFSET_COMMIT, BEFORE, _ENVIRONMENT, times=1),
        )
    )
    faults.append(Fault("kill -9 of tokenize at any time", stroke=KillFunction("TokenizeFunction")))
    return faults


def _freezes() -> list[Fault]:
    faults = [
        Fault(f"{who} stands still for {FROZEN_SECONDS:.0f} s", stroke=Freeze(victim, FROZEN_SECONDS))
        for who, victim in (
            ("Postgres", Victim.POSTGRES),
            ("S3", Victim.S3),
            ("the broker", Victim.BROKER),
            ("the runner", Victim.RUNNER),
        )
    ]
    frozen = Freeze(Victim.ENVIRONMENT, FROZEN_SECONDS)
    faults += [
        Fault(f"{who} stands still {moment.value} {step.value}", at(step, moment, frozen, times=2))
        for who, step, moment in (
            ("ingest", Step.INGEST_COMMIT, BEFORE),
            ("outbox-publish", Step.PRODUCE, AFTER),
            ("normalize", Step.CANONICAL_COMMIT, BEFORE),
        )
    ]
    # Longer than the database allows idle transactions: another publisher gets its locks meanwhile.
    long_frozen = Freeze(Victim.ENVIRONMENT, 20.0)
    faults.append(
        Fault(
            "outbox-publish stands still before a produce until its locks are gone",
            at(Step.PRODUCE, BEFORE, long_frozen, times=1),
        )
    )
    return faults


def _bad_answers() -> list[Fault]:
    raw = (Step.RAW_PUT, Step.RAW_GET)
    kafka = (Step.PRODUCE, Step.FETCH, Step.OFFSET_COMMIT)
    commits = (Step.INGEST_COMMIT, Step.MARK_COMMIT, Step.ATTEMPT_COMMIT, Step.CANONICAL_COMMIT)
    return [
        Fault(
            "S3 answers 503 to every second request",
            now_and_then(0.5, BEFORE, AnswerInstead(slow_down, last=True), *raw),
            lasts_seconds=6.0,
        ),
        Fault(
            "S3 answers 503 to everything",
            now_and_then(1.0, BEFORE, AnswerInstead(slow_down, last=True), *raw),
            lasts_seconds=6.0,
        ),
        Fault(
            "S3 resets one connection in five, the request done",
            now_and_then(0.2, AFTER, Reset(), *raw),
            lasts_seconds=6.0,
        ),
        Fault("S3 answers a second late", now_and_then(0.5, AFTER, Delay(1.0), *raw), lasts_seconds=6.0),
        Fault(
            "S3 answers later than its clients wait",
            now_and_then(0.1, AFTER, Delay(12.0), *raw),
            lasts_seconds=6.0,
        ),
        Fault(
            "the broker refuses every second produce",
            now_and_then(0.5, BEFORE, AnswerInstead(refuse_produce, last=False), Step.PRODUCE),
            lasts_seconds=6.0,
        ),
        Fault(
            "the broker resets one connection in five, the request done",
            now_and_then(0.2, AFTER, Reset(), *kafka),
            lasts_seconds=6.0,
        ),
        Fault(
            "the broker answers half a second late",
            now_and_then(0.5, AFTER, Delay(0.5), *kafka),
            lasts_seconds=6.0,
        ),
        Fault(
            "the broker answers later than its clients wait",
            at(Step.PRODUCE, AFTER, Delay(11.0), times=2),
        ),
        Fault(
            "Postgres resets one connection in twenty, the commit done",
            now_and_then(0.05, AFTER, Reset(), *commits),
            lasts_seconds=6.0,
        ),
        Fault(
            "Postgres answers half a second late",
            now_and_then(0.2, AFTER, Delay(0.5), *commits),
            lasts_seconds=6.0,
        ),
    ]


def all_faults() -> Sequence[Fault]:
    """Return all faults, with no fault first, as the baseline."""
    return [
        Fault("nothing"),
        *_kills(),
        *_freezes(),
        *_bad_answers(),
        Fault("every event comes twice and out of order", redelivers=True),
        Fault(
            "the broker acknowledges what it does not keep, and reconcile finds it",
            at(Step.PRODUCE, BEFORE, AnswerInstead(acknowledge_produce, last=False)),
            loses_events=True,
        ),
    ]


def brief_faults() -> Sequence[Fault]:
    """Return the faults that show most in two minutes."""
    return [fault for fault in all_faults() if fault.name in BRIEF]


BRIEF = frozenset(
    {
        "kill -9 of ingest after the PUT of a raw object",
        "kill -9 of ingest after the commit of a submission",
        "kill -9 of outbox-publish after a produce",
        "kill -9 of normalize after the commit of canonical rows",
        "kill -9 of Postgres after the commit of a submission",
        "kill -9 of the runner between canonical rows and the commit of offsets",
        "S3 answers 503 to every second request",
        "the broker resets one connection in five, the request done",
        "every event comes twice and out of order",
    }
)
