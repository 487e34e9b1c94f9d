"""The experiment: one system behind its proxies, which suffers one fault after the other."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

import aiohttp

from infra.system.layout import BUCKET
from tests.chaos.aftermath import POLL_SECONDS, post_again, reconcile, recovery_seconds, wait_settled
from tests.chaos.clients import Answer, Clients
from tests.chaos.faults import Fault
from tests.chaos.injection import Injector
from tests.chaos.kafka_wire import KafkaWire
from tests.chaos.observation import Observation
from tests.chaos.postgres_wire import PostgresWire
from tests.chaos.proxy import Proxy
from tests.chaos.records import Posting, compose
from tests.chaos.redelivery import Redelivery
from tests.chaos.s3_wire import S3Wire
from tests.chaos.system import SystemUnderTest
from tests.chaos.verdict import Tally, Verdict, judge
from tests.chaos.witness import Witness

CONNECTIONS = 6
STALLED_AFTER_SECONDS = 90.0
# After a broker has lost events, nothing changes however long one waits.
LOST_AFTER_SECONDS = 5.0
WITNESS_SECONDS = 60.0
SCHEDULE = "OutboxPublishFunctionPublishOutbox"


@dataclass(frozen=True)
class Outcome:
    """A fault, the work that it met, and the promises that were broken afterwards."""

    fault: str
    injected: int
    requests: int
    accepted: int
    tried_again: int
    server_errors: int
    """The number of answers 500, which no client should get."""
    mended: int
    """The records that reconcile repaired: begun and never answered, or published and lost by the broker."""
    recovery_seconds: float | None
    verdict: Verdict

    @property
    def holds(self) -> bool:
        return not self.verdict.findings() and self.injected > 0 and self.server_errors == 0


class Experiment:
    """An experiment, whose system runs inside `async with`."""

    def __init__(
        self, data_dir: Path, *, seed: int, in_memory: bool = False, is_impatient: bool = False
    ) -> None:
        """Create an experiment; `is_impatient` fires the publisher's schedule after a fault, before its minute."""
        self._is_impatient = is_impatient
        self._load_is_over = asyncio.Event()
        self._seed = seed
        self._run_number = 0
        self._accepted: frozenset[str] = frozenset()
        self.system = SystemUnderTest(data_dir, in_memory=in_memory)
        self._injector = Injector(self.system, seed)
        self._witness: Witness | None = None
        ports = self.system.ports
        assert ports.kafka and ports.postgres and ports.s3
        self._proxies = {
            "postgres": Proxy(ports.postgres, self._injector, lambda _: PostgresWire()),
            "s3": Proxy(ports.s3, self._injector, lambda _: S3Wire(BUCKET)),
            "kafka": Proxy(ports.kafka, self._injector, partial(KafkaWire, ports.kafka)),
        }

    async def __aenter__(self) -> Self:
        ports = {name: await proxy.start() for name, proxy in self._proxies.items()}
        try:
            await self.system.start(
                {
                    "PostgresPort": str(ports["postgres"]),
                    "S3Endpoint": f"http://127.0.0.1:{ports['s3']}",
                    "KafkaBrokers": f"127.0.0.1:{ports['kafka']}",
                }
            )
        except BaseException:
            await self.__aexit__(None, None, None)
            raise
        self._observation = Observation(self.system.addresses)
        self._witness = await asyncio.to_thread(
            Witness, self._observation, self.system.addresses.kafka_brokers
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._witness is not None:
            await asyncio.to_thread(self._witness.close)
        await self.system.stop()
        for proxy in self._proxies.values():
            await proxy.stop()

    async def suffer(
        self,
        fault: Fault,
        records: int,
        on_answer: Callable[[], None] = lambda: None,
        *,
        stalled_after_seconds: float = STALLED_AFTER_SECONDS,
    ) -> Outcome:
        """Send `records` records, inject the fault, wait for recovery, and judge the result.

        An accepted record counts as lost if it is not canonical or dead `stalled_after_seconds` after the last one that
        became so.
        """
        self._run_number += 1
        run = f"{self._seed}-{self._run_number:03}"
        postings = [compose(run, number) for number in range(records)]
        witness = self._witness
        assert witness is not None, "the experiment was not entered"
        tally = Tally()
        began = datetime.now(UTC)

        def hear(posting: Posting, answer: Answer) -> None:
            if posting not in tally.answers:
                on_answer()
            tally.add(posting, answer)

        # Events are published from the beginning, as in a system that is older than a minute.
        await self._fire_schedule()
        async with Clients(self.system.addresses.ingest, CONNECTIONS) as clients:
            # A sixth is sent before, so that the fault meets a busy system, and a sixth after it is over.
            sixth = records // 6
            writing = asyncio.create_task(witness.write(run))
            await clients.post_all(postings[:sixth], hear)
            breaking = asyncio.create_task(self._break(fault))
            await clients.post_all(postings[sixth:-sixth], hear)
            self._load_is_over.set()
            await breaking
            await self._injector.settle()
            await clients.post_all(postings[-sixth:], hear)
            witness.stop()
            await writing
            if fault.loses_events:
                stalled_after_seconds = min(stalled_after_seconds, LOST_AFTER_SECONDS)
            await wait_settled(self._observation, tally.accepted_ids(), stalled_after_seconds)
            told = tally.told()
            mended = await self._mend(
                fault, tally, clients, hear, began=began, stalled_after_seconds=stalled_after_seconds
            )
            repeated = await post_again(clients, tally.told())
            recovery = None
            if self._injector.last_at:
                recovery = await asyncio.to_thread(
                    recovery_seconds, self._observation, told, self._injector.last_at
                )
        accepted = tally.accepted_ids()
        held = await asyncio.to_thread(self._observation.hold, accepted)
        accepted_before, self._accepted = self._accepted, self._accepted | set(accepted)
        sequences = await asyncio.to_thread(witness.read, min(WITNESS_SECONDS, stalled_after_seconds))
        verdict = judge(
            tally.told(),
            held,
            accepted_before=accepted_before,
            repeated=repeated,
            # Reconcile knows only records: the witness's events stay lost if the broker loses them.
            sequences=None if fault.loses_events else sequences,
        )
        return Outcome(
            fault=fault.name,
            injected=self._injector.injected if _breaks(fault) else 1,
            requests=clients.statuses.total(),
            accepted=len(accepted),
            tried_again=clients.statuses.total() - clients.statuses[202],
            server_errors=clients.statuses[500],
            mended=mended,
            recovery_seconds=recovery,
            verdict=verdict,
        )

    async def _mend(
        self,
        fault: Fault,
        tally: Tally,
        clients: Clients,
        hear: Callable[[Posting, Answer], None],
        *,
        began: datetime,
        stalled_after_seconds: float,
    ) -> int:
        """Have reconcile repair what it can, then let the clients retry that had given up."""
        orphans = await asyncio.to_thread(self._observation.orphans)
        mended = 0
        if orphans or fault.loses_events:
            report = await reconcile(self.system.data_dir, began)
            mended = int(report["counts"].get("repaired", 0))
            await wait_settled(self._observation, [*tally.accepted_ids(), *orphans], stalled_after_seconds)
        await clients.post_all(tally.forget_unanswered(), hear)
        await wait_settled(self._observation, tally.accepted_ids(), stalled_after_seconds)
        return mended

    async def _break(self, fault: Fault) -> None:
        self._load_is_over.clear()
        self._injector.arm(fault.rules)
        redelivery = None
        try:
            if fault.redelivers:
                brokers = self.system.addresses.kafka_brokers
                redelivery = Redelivery(self._observation, brokers, self._seed, self._injector.note)
                copying = asyncio.create_task(redelivery.run())
            if fault.stroke is not None:
                await fault.stroke.strike(self._injector)
            if fault.lasts_seconds:
                await asyncio.sleep(fault.lasts_seconds)
            else:
                # While the load lasts, or until every disturbance has been done.
                while not self._load_is_over.is_set() and (fault.redelivers or not self._injector.is_spent):
                    await asyncio.sleep(POLL_SECONDS)
            if self._is_impatient:
                await self._fire_schedule()
        finally:
            self._injector.disarm()
            if fault.lasts_seconds or not _breaks(fault):
                self._injector.lift()
            if redelivery is not None:
                redelivery.stop()
                await copying

    async def _fire_schedule(self) -> None:
        deadline = time.monotonic() + STALLED_AFTER_SECONDS
        while time.monotonic() < deadline:
            with suppress(aiohttp.ClientError, TimeoutError):
                url = f"{self.system.addresses.admin}/schedules/{SCHEDULE}/trigger"
                async with aiohttp.request("POST", url, raise_for_status=True):
                    return
            await asyncio.sleep(POLL_SECONDS)


def _breaks(fault: Fault) -> bool:
    return bool(fault.rules or fault.stroke or fault.redelivers)
