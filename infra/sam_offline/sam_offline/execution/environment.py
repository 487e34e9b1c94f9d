"""An execution environment: one process of a function, which handles one invocation at a time."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable

from sam_offline.errors import InitFailed
from sam_offline.execution.launch import LOG_STREAM, Launch
from sam_offline.execution.memory import PeakMemory
from sam_offline.execution.orphans import Ledger
from sam_offline.execution.process import FunctionProcess
from sam_offline.execution.report import InvocationReport
from sam_offline.execution.runtime_api import RuntimeConnection
from sam_offline.invocation.invocation import (
    MAXIMUM_PAYLOAD_BYTES,
    Answer,
    Invocation,
    error_payload,
    error_type_of,
)
from sam_offline.log_files import FunctionLog

_TAIL_BYTES = 4096


class Environment:
    """An execution environment starts once and ends once; it is never started again.

    `invoke` may be called as soon as the previous answer is out, even before the process has asked for the next
    invocation. `on_idle(environment)` is called with every answer, `on_report` after every invocation, `on_end` once
    when the process is gone.
    """

    def __init__(
        self,
        launch: Launch,
        log: FunctionLog,
        ledger: Ledger,
        *,
        on_idle: Callable[[Environment], None],
        on_end: Callable[[Environment], None],
        on_report: Callable[[InvocationReport], None],
    ) -> None:
        self.launch = launch
        self._function = launch.function
        self._log = log
        self._ledger = ledger
        self._on_idle = on_idle
        self._on_end = on_end
        self._on_report = on_report
        self._loop = asyncio.get_running_loop()
        self._process = FunctionProcess(self._print, self._exited)
        self._memory = PeakMemory(self._function.memory_mb)
        self._started: asyncio.Future[None] = self._loop.create_future()
        self._server: asyncio.Server | None = None
        self._waiting: RuntimeConnection | None = None
        self._current: Invocation | None = None
        self._following: Invocation | None = None
        self._answer: Answer | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self._tail: deque[str] | None = None
        self._init_seconds: float | None = None
        # The error type and message if the runner ended it, None if it ended on its own.
        self._ended_for: tuple[str, str] | None = None
        self._is_retired = False

    @property
    def memory_mb(self) -> int:
        return self._function.memory_mb

    @property
    def working_pid(self) -> int | None:
        """The pid of the process while it starts or handles an invocation, otherwise None."""
        is_working = not self._started.done() or (self._current is not None and self._answer is None)
        return self._process.pid if is_working and not self._process.ended else None

    @property
    def ended(self) -> bool:
        return self._process.ended

    async def start(self, timeout_seconds: float) -> None:
        """Start the process and wait for its first /next. Raises InitFailed, with the process gone."""
        begun = time.perf_counter()
        self._server = await self._loop.create_server(lambda: RuntimeConnection(self), "127.0.0.1", 0)
        host, port = self._server.sockets[0].getsockname()[:2]
        launch = self.launch
        variables = launch.variables(f"{host}:{port}")
        try:
            await self._process.start(launch.command, launch.folder, variables)
        except OSError as error:
            self._server.close()
            raise _init_failed("Runtime.InvalidEntrypoint", str(error)) from error
        if self._process.pid is not None:
            self._ledger.record(self._process.pid, variables[LOG_STREAM])
        try:
            await asyncio.wait_for(asyncio.shield(self._started), timeout_seconds)
        except TimeoutError as error:
            self._started.cancel()
            await self._end()
            message = f"Init timed out after {timeout_seconds:.2f} seconds"
            raise _init_failed("Sandbox.Timedout", message) from error
        except InitFailed:
            await self._end()
            raise
        self._init_seconds = time.perf_counter() - begun

    def invoke(self, invocation: Invocation) -> None:
        """Hand over an invocation; the answer arrives in `invocation.answer`."""
        if self._current is None and self._waiting is not None:
            self._deliver(self._waiting, invocation)
        else:
            self._following = invocation

    def take_undelivered(self) -> Invocation | None:
        """Return the invocation that was handed over but not yet seen by the process, if any."""
        invocation, self._following = self._following, None
        return invocation

    def retire(self) -> None:
        """End the environment as soon as it has no invocation."""
        self._is_retired = True
        if self._current is None and self._following is None:
            self.kill()

    def kill(self) -> None:
        """Kill the process and everything that it has started."""
        self._process.kill()

    async def wait_gone(self) -> None:
        await self._process.wait_gone()

    def exceed_memory(self) -> None:
        """Kill the process for using too much memory, without notice, as the kernel does on Lambda."""
        self._end_for("Runtime.OutOfMemory", "Error: Runtime exited with error: signal: killed")

    # Calls of the process through the Runtime API.

    def next_requested(self, connection: RuntimeConnection) -> None:
        self._waiting = connection
        if not self._started.done():
            self._started.set_result(None)
        # One turn later: the lines that the process printed before this call are in the pipe and are read in this turn.
        self._loop.call_soon(self._turn)

    def responded(self, request_id: str, body: bytes) -> None:
        if len(body) > MAXIMUM_PAYLOAD_BYTES:
            limit = MAXIMUM_PAYLOAD_BYTES
            message = f"Response payload size exceeded maximum allowed payload size ({limit} bytes)."
            self._handled(Answer.of_error(request_id, "Function.ResponseSizeTooLarge", message))
        else:
            self._handled(Answer(request_id, body))

    def failed(self, request_id: str, body: bytes) -> None:
        self._handled(Answer(request_id, body, error_type_of(body, "Runtime.Unknown")))

    def init_failed(self, body: bytes) -> None:
        if not self._started.done():
            self._started.set_exception(InitFailed(error_type_of(body, "Runtime.Unknown"), body))

    def _deliver(self, connection: RuntimeConnection, invocation: Invocation) -> None:
        self._waiting = None
        self._current = invocation
        self._answer = None
        self._tail = deque() if invocation.wants_log_tail else None
        timeout_seconds = self._function.timeout_seconds
        deadline_ms = int((time.time() + timeout_seconds) * 1000)
        self._print(f"START RequestId: {invocation.request_id} Version: $LATEST")
        self._began = time.perf_counter()
        self._deadline = self._loop.call_later(timeout_seconds, self._time_out, invocation)
        connection.send_invocation(invocation, self._function.arn, deadline_ms)

    def _handled(self, answer: Answer) -> None:
        if self._ended_for is not None:
            # The answer was on its way when the time was over: the caller has been told so, and one answer is enough.
            return
        if self._current is not None and self._memory.has_exceeded_limit(self._process.pid):
            self.exceed_memory()
        else:
            self._answered(answer)

    def _answered(self, answer: Answer) -> None:
        invocation = self._current
        if invocation is None or invocation.request_id != answer.request_id or self._answer is not None:
            return
        self._duration_seconds = time.perf_counter() - self._began
        self._answer = answer
        if self._deadline is not None:
            self._deadline.cancel()
        if not invocation.wants_log_tail:
            invocation.settle(answer)
        if not self._process.ended:
            self._on_idle(self)

    def _turn(self) -> None:
        """Report the last invocation of the process, which is free now, and deliver the next one."""
        if self._process.ended:
            return
        if self._current is not None and self._answer is not None:
            self._report(self._current, self._answer)
        if self._is_retired and self._following is None:
            self.kill()
        elif self._following is not None and self._waiting is not None:
            following, self._following = self._following, None
            self._deliver(self._waiting, following)

    def _report(self, invocation: Invocation, answer: Answer) -> None:
        report = InvocationReport(
            request_id=invocation.request_id,
            duration_seconds=self._duration_seconds,
            init_seconds=self._init_seconds,
            memory_mb=self._function.memory_mb,
            peak_memory_mb=self.memory_mb
            if answer.error_type == "Runtime.OutOfMemory"
            else self._memory.reported_mb(self._process.pid),
            error_type=answer.error_type,
        )
        self._init_seconds = None
        self._print(f"END RequestId: {invocation.request_id}")
        self._print(report.line())
        if self._tail is not None:
            tail = "\n".join(self._tail).encode()[-_TAIL_BYTES:]
            invocation.settle(Answer(answer.request_id, answer.payload, answer.error_type, tail))
        self._current = self._answer = self._tail = None
        self._on_report(report)

    def _time_out(self, invocation: Invocation) -> None:
        if self._current is not invocation or self._answer is not None:
            return
        seconds = self._function.timeout_seconds
        self._print(f"{invocation.request_id} Task timed out after {seconds:.2f} seconds")
        self._end_for("Sandbox.Timedout", f"Error: Task timed out after {seconds:.2f} seconds")

    def _end_for(self, error_type: str, message: str) -> None:
        self._ended_for = (error_type, message)
        self.kill()

    def _print(self, line: str) -> None:
        if self._tail is not None:
            self._tail.append(line)
        self._log.record("" if self._current is None else self._current.request_id, line)

    async def _end(self) -> None:
        self._process.kill()
        await self._process.wait_gone()

    def _exited(self, status: str) -> None:
        if self._server is not None:
            self._server.close()
        if not self._started.done():
            message = f"Error: Runtime exited without providing a reason ({status})"
            self._started.set_exception(_init_failed(*(self._ended_for or ("Runtime.ExitError", message))))
        invocation = self._current
        if invocation is not None:
            if self._answer is None:
                message = f"Error: Runtime exited with error: {status}"
                error_type, message = self._ended_for or ("Runtime.ExitError", message)
                request_id = invocation.request_id
                self._answered(Answer.of_error(request_id, error_type, f"RequestId: {request_id} {message}"))
            if self._answer is not None:
                self._report(invocation, self._answer)
        self._on_end(self)


def _init_failed(error_type: str, message: str) -> InitFailed:
    return InitFailed(error_type, error_payload(error_type, message))
