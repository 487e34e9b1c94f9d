"""The execution environments of one function: scale-out to a limit, then a queue."""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import Callable, Iterator

from sam_offline.errors import FunctionThrottled, InitFailed
from sam_offline.execution.environment import Environment
from sam_offline.execution.launch import Launch
from sam_offline.execution.orphans import Ledger
from sam_offline.execution.report import InvocationReport
from sam_offline.invocation.invocation import Answer, Invocation
from sam_offline.log_files import FunctionLog

# A start costs some hundred times as much as a small invocation. An invocation that an environment will soon be free
# for waits for it, and no more environments start at once than there are cores.
_PATIENCE_SECONDS = 0.005
_STARTS_AT_ONCE = os.cpu_count() or 1


class Pool:
    """Runs the invocations of one function, each in an environment of its own, at most `limit` at a time.

    The environment that became idle last is used first. Invocations beyond the limit wait; with `throttles` they are
    refused.
    """

    def __init__(
        self,
        launch: Launch,
        limit: int,
        init_timeout_seconds: float,
        *,
        throttles: bool,
        log: FunctionLog,
        ledger: Ledger,
        on_report: Callable[[InvocationReport], None],
    ) -> None:
        self.function = launch.function
        self.limit = limit
        self.launch = launch
        self._init_timeout_seconds = init_timeout_seconds
        self._throttles = throttles
        self._log = log
        self._ledger = ledger
        self._on_report = on_report
        self._loop = asyncio.get_running_loop()
        self._idle: list[Environment] = []
        self._environments: set[Environment] = set()
        self._starts: set[asyncio.Task[None]] = set()
        self._starting: set[Environment] = set()
        self._waiting: deque[Invocation] = deque()
        self._growth: asyncio.TimerHandle | None = None
        self._in_flight = 0
        self._quiet = asyncio.Event()
        self._quiet.set()
        self._closed = False
        self._stopped = False

    def __iter__(self) -> Iterator[Environment]:
        return iter(tuple(self._environments))

    @property
    def environment_count(self) -> int:
        return len(self._environments)

    @property
    def idle_count(self) -> int:
        return len(self._idle)

    @property
    def waiting_count(self) -> int:
        return len(self._waiting)

    def submit(
        self, payload: bytes, *, client_context: str = "", wants_log_tail: bool = False, request_id: str = ""
    ) -> asyncio.Future[Answer]:
        """Invoke the function; an error of the function is an answer. Raises FunctionThrottled."""
        is_full = self._throttles and self._in_flight >= self.limit
        if self.limit == 0 or is_full or self._closed:
            raise FunctionThrottled(self.function.name)
        future: asyncio.Future[Answer] = self._loop.create_future()
        invocation = Invocation(payload, future, client_context, wants_log_tail)
        if request_id:
            invocation.request_id = request_id
        self._in_flight += 1
        self._quiet.clear()
        future.add_done_callback(self._one_less)
        if self._idle:
            self._idle.pop().invoke(invocation)
        else:
            invocation.queued_at = self._loop.time()
            self._waiting.append(invocation)
            self._grow()
        return future

    async def warm(self) -> None:
        """Start one environment before the first invocation. A function that cannot start stays cold."""
        if not self._environments and self.limit > 0:
            self._start_one()
            await asyncio.gather(*self._starts)

    async def replace(self, launch: Launch, limit: int) -> None:
        """Switch over to `launch` once an environment of it is up; older ones end after their invocation.

        Raises InitFailed, and leaves the pool as it was.
        """
        environment = self._create(launch)
        try:
            await environment.start(self._init_timeout_seconds)
        except InitFailed:
            self._environments.discard(environment)
            raise
        self.function, self.launch, self.limit = launch.function, launch, limit
        outdated, self._idle = self._idle, []
        for each in outdated:
            each.retire()
        self._free(environment)

    async def drain(self, timeout_seconds: float) -> None:
        """Refuse new invocations, and wait for the running ones until the time-out."""
        self._closed = True
        try:
            await asyncio.wait_for(self._quiet.wait(), timeout_seconds)
        except TimeoutError:
            return

    async def stop(self) -> None:
        """End every environment, and answer waiting invocations with an error."""
        self._closed = True
        self._stopped = True
        while (waiting := self._next_waiting()) is not None:
            _give_up(waiting)
        environments = list(self._environments)
        for environment in environments:
            environment.kill()
        await asyncio.gather(*self._starts)
        await asyncio.gather(*(environment.wait_gone() for environment in environments))

    def _one_less(self, _: asyncio.Future[Answer]) -> None:
        self._in_flight -= 1
        if self._in_flight == 0:
            self._quiet.set()

    def _grow(self) -> None:
        """Start an environment for the first waiting invocation that no start is under way for.

        If there is no environment at all, start it at once; otherwise when the invocation has waited a little.
        """
        covered = len(self._starts)
        if covered >= min(len(self._waiting), _STARTS_AT_ONCE) or len(self._environments) >= self.limit:
            return
        waits_until = self._waiting[covered].queued_at + _PATIENCE_SECONDS
        if not self._environments or self._loop.time() >= waits_until:
            self._start_one()
            self._grow()
        elif self._growth is None:
            self._growth = self._loop.call_at(waits_until, self._lose_patience)

    def _lose_patience(self) -> None:
        self._growth = None
        self._grow()

    def _create(self, launch: Launch) -> Environment:
        environment = Environment(
            launch,
            self._log,
            self._ledger,
            on_idle=self._free,
            on_end=self._ended,
            on_report=self._on_report,
        )
        self._environments.add(environment)
        return environment

    def _start_one(self) -> None:
        task = self._loop.create_task(self._start(self._create(self.launch)))
        self._starts.add(task)
        task.add_done_callback(self._start_done)

    def _start_done(self, task: asyncio.Task[None]) -> None:
        self._starts.discard(task)
        self._grow()

    async def _start(self, environment: Environment) -> None:
        self._starting.add(environment)
        try:
            await environment.start(self._init_timeout_seconds)
        except InitFailed as error:
            self._starting.discard(environment)
            self._environments.discard(environment)
            await self._failed_to_start(error)
        else:
            self._starting.discard(environment)
            self._free(environment)

    async def _failed_to_start(self, error: InitFailed) -> None:
        if self._closed and not self._waiting:
            return
        self._log.record("", f"INIT_REPORT Status: error\tError Type: {error.error_type}")
        invocation = self._next_waiting()
        if invocation is None:
            return
        if error.error_type == "Sandbox.Timedout":
            # Lambda tries once more, with the function's own time-out, when init took too long.
            environment = self._create(self.launch)
            try:
                await environment.start(self.function.timeout_seconds)
            except InitFailed as second:
                self._environments.discard(environment)
                error = second
            else:
                environment.invoke(invocation)
                return
        invocation.settle(Answer(invocation.request_id, error.payload, error.error_type))

    def _free(self, environment: Environment) -> None:
        if environment.ended:
            # It ended between its first /next and here.
            self._ended(environment)
            return
        if self._closed and not self._waiting:
            environment.kill()
            return
        if environment.launch is not self.launch:
            environment.retire()
            self._grow()
            return
        invocation = self._next_waiting()
        if invocation is not None:
            environment.invoke(invocation)
        else:
            self._idle.append(environment)

    def _next_waiting(self) -> Invocation | None:
        while self._waiting:
            invocation = self._waiting.popleft()
            # The caller may have gone away while it waited.
            if not invocation.answer.done():
                return invocation
        return None

    def _ended(self, environment: Environment) -> None:
        if environment in self._starting:
            # Its starter is told next. Its place is kept until then: a second try may need it.
            return
        self._environments.discard(environment)
        if environment in self._idle:
            self._idle.remove(environment)
        undelivered = environment.take_undelivered()
        if undelivered is not None and self._stopped:
            _give_up(undelivered)
        elif undelivered is not None:
            self._waiting.appendleft(undelivered)
        self._grow()


def _give_up(invocation: Invocation) -> None:
    # The caller may outlive the pool: a reload ends the pools of functions that are gone.
    message = f"RequestId: {invocation.request_id} Error: Runtime exited before it began"
    invocation.settle(Answer.of_error(invocation.request_id, "Runtime.ExitError", message))
