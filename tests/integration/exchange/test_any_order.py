"""In any order of work, with crashes at any point: one key, one record; one record, one outcome."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from functools import cached_property
from uuid import uuid4

import obstore
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from exchange.errors import DependencyUnavailable, IdempotencyConflict, RecordErased
from exchange.intake.model import Receipt, Submission
from exchange.outbox import store
from exchange.outbox.service import PAGE_EVENTS, Publisher
from exchange.platform.bus import Bus, Message
from exchange.platform.db import Database
from tests.integration.exchange.any_order import KEYS, AnyOrder, MakePublisher, Request, Unbalanced
from tests.integration.exchange.harness import Exchange

REQUESTS = st.builds(Request, st.sampled_from(KEYS), st.integers(0, 2))
SETTINGS = settings(
    max_examples=8,
    stateful_step_count=25,
    deadline=None,
    derandomize=True,
    # No shrinking: a step takes tens of milliseconds on real services, so read a failure from its log instead.
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
    report_multiple_bugs=False,
)


class Books(RuleBasedStateMachine):
    """The state machine of any order; its exchange is emptied for each run."""

    start: Callable[[], AnyOrder]

    def __init__(self) -> None:
        super().__init__()
        self.world = self.start()
        self.model = self.world.model

    @rule(request=REQUESTS)
    def send(self, request: Request) -> None:
        owner = self.model.owner_of(request.key)
        if owner in self.model.erased:
            with pytest.raises((RecordErased, IdempotencyConflict)):
                self.world.send(request)
            return
        if owner not in (None, request):
            with pytest.raises(IdempotencyConflict):
                self.world.send(request)
            return
        receipt = self.world.send(request)
        assert self.model.promised.setdefault(request, receipt) == receipt

    @rule(request=REQUESTS, point=st.sampled_from(["before the put", "after the put"]))
    def die_while_ingesting(self, request: Request, point: str) -> None:
        if self.model.owner_of(request.key) is not None:
            return
        receipts: list[Receipt] = []
        if self.world.crash(lambda: receipts.append(self.world.send(request)), point):
            # Replay or reconcile had already finished the record: nothing was left to put, and this is the answer.
            self.model.promised[request] = receipts[0]
        else:
            self.model.begun |= self.world.object_ids() - self.model.answered_ids()

    @rule()
    def publish(self) -> None:
        self.world.publish()

    @rule(point=st.sampled_from(["before the produce", "after the produce"]))
    def die_while_publishing(self, point: str) -> None:
        self.world.crash(self.world.publish, point)

    @rule(limit=st.integers(1, 8))
    def deliver(self, limit: int) -> None:
        self.world.deliver(limit)

    @rule(limit=st.integers(1, 8), point=st.sampled_from(["before the get", "before the commit", None]))
    def die_while_normalizing(self, limit: int, point: str | None) -> None:
        """Die at `point`; None means after the commit of the rows, before the commit of the offsets."""
        if point is None:
            self.world.fetch()
            self.world.crash(lambda: self.world.normalize(self.world.next_batch(limit)), None)
        elif not self.world.crash(lambda: self.world.deliver(limit), point):
            self.model.deaths_under_work += 1

    @rule(limit=st.integers(1, 8), point=st.sampled_from(["before the get", "before the commit"]))
    def lose_a_dependency_while_normalizing(self, limit: int, point: str) -> None:
        with self.world.interrupter.at(point, DependencyUnavailable):
            try:
                self.world.deliver(limit)
            except DependencyUnavailable:
                return

    @precondition(lambda self: self.world.delivered)
    @rule(data=st.data())
    def deliver_again_and_out_of_order(self, data: st.DataObject) -> None:
        batch = data.draw(st.lists(st.sampled_from(self.world.delivered), min_size=1, max_size=8))
        # Events that it asks for again are also at their own places in the topic.
        self.world.normalize(batch)

    @rule()
    def replay(self) -> None:
        self.world.replay()

    @rule(repair=st.booleans())
    def reconcile(self, repair: bool) -> None:
        self.world.reconcile(repair=repair)

    @precondition(lambda self: self.model.promised)
    @rule(data=st.data(), dies=st.booleans())
    def erase(self, data: st.DataObject, dies: bool) -> None:
        """Erase a record; with `dies`, the erasure dies between the tombstone and the bucket."""
        request = data.draw(st.sampled_from(sorted(self.model.promised, key=lambda r: (r.key, r.variant))))
        record_id = self.model.promised.pop(request).record_id
        self.model.erased[request] = record_id
        if dies:
            self.world.crash(lambda: self.world.erase(record_id), "before the delete")
        else:
            self.world.erase(record_id)

    @rule()
    def redrive(self) -> None:
        self.world.redrive()

    @invariant()
    def nothing_is_canonical_that_was_not_promised(self) -> None:
        self.world.check_so_far()

    def teardown(self) -> None:
        try:
            self.world.drain()
            self.world.check()
        finally:
            self.world.close()


Start = Callable[[MakePublisher], AnyOrder]


@pytest.fixture
def start(exchange: Exchange, topic: Callable[..., str], kafka_brokers: str) -> Start:
    """Return a function that begins with empty stores and with a given publisher."""

    def begin(make_publisher: MakePublisher) -> AnyOrder:
        # Emptied, because replay and reconcile go through all objects and rows.
        exchange.rows(
            "DO $$ BEGIN EXECUTE (SELECT 'TRUNCATE ' || string_agg(quote_ident(tablename), ', ') || ' CASCADE'"
            " FROM pg_tables WHERE schemaname = 'public'"
            " AND tablename NOT IN ('partners', 'partner_sources', 'schema_migrations')); END $$"
        )
        bucket = exchange.store()
        obstore.delete(bucket, [item["path"] for page in obstore.list(bucket) for item in page])
        topics = {version: topic(partitions=1) for version in ("1", "2")}
        return AnyOrder(exchange, topics, kafka_brokers, make_publisher)

    return begin


def right(database: Database, bus: Bus) -> Publisher:
    return Publisher(database, bus, retention_hours=168)


def test_the_books_balance_after_any_sequence(start: Start) -> None:
    machine = type("Books", (Books,), {"start": staticmethod(lambda: start(right))})
    run_state_machine_as_test(machine, settings=SETTINGS)


def test_a_publisher_that_marks_before_it_produces_is_found_out(start: Start) -> None:
    request = Request(KEYS[0], 0)
    for make_publisher in (right, MarksFirst):
        with closing(start(make_publisher)) as world:
            world.model.promised[request] = world.send(request)
            assert not world.crash(world.publish, "before the produce")
            if make_publisher is right:
                world.drain()
                world.check()
            else:
                with pytest.raises(Unbalanced, match="1 accepted records are neither canonical nor dead"):
                    # Nothing will come: a busy machine only makes the wait longer, and the outcome stays.
                    world.drain(stalled_after_seconds=3)


@pytest.mark.parametrize("is_right", [True, False])
def test_a_request_that_is_another_record_at_each_try_is_found_out(
    start: Start, monkeypatch: pytest.MonkeyPatch, *, is_right: bool
) -> None:
    if not is_right:
        another = cached_property(lambda submission: uuid4())
        another.__set_name__(Submission, "record_id")
        monkeypatch.setattr(Submission, "record_id", another)
    request = Request(KEYS[0], 0)
    with closing(start(right)) as world:
        assert not world.crash(lambda: world.send(request), "after the put")
        world.model.begun |= world.object_ids()
        world.reconcile(repair=True)
        world.model.promised[request] = world.send(request)
        world.drain()
        if is_right:
            world.check()
        else:
            with pytest.raises(Unbalanced, match="one visit is canonical twice"):
                world.check()


class MarksFirst(Publisher):
    """A publisher with the classic mistake: after a death in between, nobody publishes the events."""

    def __init__(self, database: Database, bus: Bus) -> None:
        super().__init__(database, bus, retention_hours=168)
        self._own_database, self._own_bus = database, bus

    def publish_page(self) -> list[str | None]:
        with self._own_database.transaction() as transaction:
            events = store.take_pending(transaction, PAGE_EVENTS)
            if not events:
                return []
            store.mark_outcomes(transaction, events, [None] * len(events))
        return self._own_bus.produce([Message(e.topic, e.key.encode(), e.value) for e in events])
