"""The environments of one function, whose processes speak the Runtime API by hand."""

from __future__ import annotations

import asyncio
import socket
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import uvloop

from sam_offline.execution.interpreter import Interpreter
from sam_offline.execution.launch import Launch
from sam_offline.execution.orphans import Ledger
from sam_offline.execution.pool import Pool
from sam_offline.log_files import FunctionLog, Journal
from sam_offline.model import Function, Source

# Answers once, after a moment, and asks for nothing more.
ANSWERS_ONCE = """
import http.client, os, time
runtime = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
runtime.request("GET", "/2018-06-01/runtime/invocation/next")
given = runtime.getresponse()
given.read()
time.sleep(0.2)
request_id = given.headers["Lambda-Runtime-Aws-Request-Id"]
runtime.request("POST", f"/2018-06-01/runtime/invocation/{request_id}/response", b"1")
time.sleep(60)
"""

# Says that it was given an invocation, and answers once it is told to.
ANSWERS_WHEN_TOLD = """
import http.client, os, pathlib, time
runtime = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
runtime.request("GET", "/2018-06-01/runtime/invocation/next")
given = runtime.getresponse()
given.read()
pathlib.Path("given").touch()
while not pathlib.Path("told").exists():
    time.sleep(0.01)
request_id = given.headers["Lambda-Runtime-Aws-Request-Id"]
runtime.request("POST", f"/2018-06-01/runtime/invocation/{request_id}/response", b"1")
time.sleep(60)
"""

ANSWERS = """
import http.client, os
runtime = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
while True:
    runtime.request("GET", "/2018-06-01/runtime/invocation/next")
    given = runtime.getresponse()
    given.read()
    request_id = given.headers["Lambda-Runtime-Aws-Request-Id"]
    runtime.request("POST", f"/2018-06-01/runtime/invocation/{request_id}/response", b"1")
    runtime.getresponse().read()
"""
STARTS_SLOWLY = f"import time\ntime.sleep(1)\n{ANSWERS}"
# The first asks for an invocation and ends before it gets one.
FIRST_ONE_ENDS = f"""
import http.client, os, pathlib
mark = pathlib.Path("first")
if not mark.exists():
    mark.touch()
    runtime = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
    runtime.request("GET", "/2018-06-01/runtime/invocation/next")
    os._exit(0)
{ANSWERS}
"""


@asynccontextmanager
async def pool_of(
    folder: Path, *, timeout_seconds: float, program: str = ANSWERS_ONCE, init_timeout_seconds: float = 60
) -> AsyncIterator[Pool]:
    python = Interpreter(Path(sys.executable), "3.11")
    source = Source("F", folder)
    function = Function("F", "F", "arn", "app.handler", "python3.11", source, (), {}, 128, timeout_seconds)
    launch = Launch(function, python, (sys.executable, "-S", "-c", program), folder, {})
    journal, ledger = Journal(folder / "logs", None), Ledger(folder / "started")
    log = FunctionLog(journal, "F", lambda name, line: False)
    pool = Pool(
        launch,
        1,
        init_timeout_seconds,
        throttles=False,
        log=log,
        ledger=ledger,
        on_report=lambda report: None,
    )
    try:
        yield pool
    finally:
        await pool.stop()
        ledger.close()
        journal.close()


def test_whatever_still_waits_when_a_pool_stops_is_answered_and_starts_nothing_anew(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with pool_of(tmp_path, timeout_seconds=30) as pool:
            first, handed_over, waiting = (pool.submit(b"{}") for _ in range(3))
            assert (await asyncio.wait_for(first, 60)).payload == b"1"
            await pool.stop()
            for invocation in (handed_over, waiting):
                assert (await asyncio.wait_for(invocation, 60)).error_type == "Runtime.ExitError"
            assert pool.environment_count == 0

    uvloop.run(scenario())


def test_an_answer_that_comes_when_the_time_is_over_is_none(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with pool_of(tmp_path, timeout_seconds=1, program=ANSWERS_WHEN_TOLD) as pool:
            late = pool.submit(b"{}")
            while not (tmp_path / "given").exists():
                await asyncio.sleep(0.01)
            # When the loop goes on, its clock comes before the socket that the answer lies in.
            with busy_loop(1.5, (tmp_path / "told").touch):
                answer = await asyncio.wait_for(late, 60)
            assert answer.error_type == "Sandbox.Timedout"

    uvloop.run(scenario())


def test_a_second_try_of_a_slow_start_stays_within_the_limit(tmp_path: Path) -> None:
    async def scenario() -> None:
        slow = pool_of(tmp_path, timeout_seconds=30, program=STARTS_SLOWLY, init_timeout_seconds=0.5)
        async with slow as pool:
            both = asyncio.gather(pool.submit(b"{}"), pool.submit(b"{}"))
            counts = set[int]()
            while not both.done():
                counts.add(pool.environment_count)
                await asyncio.sleep(0.01)
            assert [answer.payload for answer in await both] == [b"1", b"1"]
            assert counts == {1}

    uvloop.run(scenario())


def test_one_that_ends_while_it_is_taken_in_gets_no_invocation(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with pool_of(tmp_path, timeout_seconds=30, program=FIRST_ONE_ENDS) as pool:
            answer = pool.submit(b"{}")
            while not pool.environment_count or next(iter(pool)).working_pid is None:
                await asyncio.sleep(0)
            # Its request and its end lie there together when the loop goes on.
            with busy_loop(1):
                assert (await asyncio.wait_for(answer, 60)).payload == b"1"

    uvloop.run(scenario())


@contextmanager
def busy_loop(seconds: float, begin: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Block the loop for a while from its next turn on, so that all events of that time are read at once."""
    blocker, wake = socket.socketpair()

    def block() -> None:
        asyncio.get_running_loop().remove_reader(blocker)
        begin()
        time.sleep(seconds)

    asyncio.get_running_loop().add_reader(blocker, block)
    with blocker, wake:
        wake.send(b"x")
        yield
