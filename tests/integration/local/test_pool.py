"""The environments of one function, of processes that speak the Runtime API by hand."""

from __future__ import annotations

import asyncio
import socket
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import uvloop

from infra.local.interpreter import Interpreter
from infra.local.journal import FunctionLog, Journal
from infra.local.launch import Launch
from infra.local.leftovers import Ledger
from infra.local.model import Function, Source
from infra.local.pool import Pool

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


@asynccontextmanager
async def pool_of(folder: Path, *, timeout_seconds: float) -> AsyncIterator[Pool]:
    python = Interpreter(Path(sys.executable), "3.11")
    source = Source("F", folder)
    function = Function("F", "F", "arn", "app.handler", "python3.11", source, (), {}, 128, timeout_seconds)
    launch = Launch(function, python, (sys.executable, "-S", "-c", ANSWERS_ONCE), folder, {})
    journal, ledger = Journal(folder / "logs", None), Ledger(folder / "started")
    log = FunctionLog(journal, "F", lambda name, line: False)
    pool = Pool(launch, 1, 10.0, throttles=False, log=log, ledger=ledger, on_report=lambda report: None)
    try:
        yield pool
    finally:
        await pool.stop()
        ledger.close()
        journal.close()


def test_whatever_still_waits_when_a_pool_stops_is_answered_and_starts_nothing_anew(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with pool_of(tmp_path, timeout_seconds=3) as pool:
            first, handed_over, waiting = (pool.submit(b"{}") for _ in range(3))
            assert (await asyncio.wait_for(first, 10)).payload == b"1"
            await pool.stop()
            for invocation in (handed_over, waiting):
                assert (await asyncio.wait_for(invocation, 10)).error_type == "Runtime.ExitError"
            assert pool.environment_count == 0

    uvloop.run(scenario())


def test_an_answer_that_comes_when_the_time_is_over_is_none(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with pool_of(tmp_path, timeout_seconds=0.5) as pool:
            await pool.warm()
            late = pool.submit(b"{}")
            await asyncio.sleep(0.1)
            # Whatever happens here happens while the loop reads: when it goes on, its clock comes before the socket
            # that the answer lies in.
            blocker, wake = socket.socketpair()

            def block() -> None:
                asyncio.get_running_loop().remove_reader(blocker)
                time.sleep(1)

            asyncio.get_running_loop().add_reader(blocker, block)
            with blocker, wake:
                wake.send(b"x")
                answer = await asyncio.wait_for(late, 10)
            assert answer.error_type == "Sandbox.Timedout"

    uvloop.run(scenario())
