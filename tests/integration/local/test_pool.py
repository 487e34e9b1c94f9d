"""The environments of one function, of processes that speak the Runtime API by hand."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import uvloop

from infra.local.interpreter import Interpreter
from infra.local.journal import FunctionLog, Journal
from infra.local.launch import Launch
from infra.local.leftovers import Ledger
from infra.local.model import Function, Source
from infra.local.pool import Pool

# Answers once and asks for nothing more.
ANSWERS_ONCE = """
import http.client, os, time
runtime = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
runtime.request("GET", "/2018-06-01/runtime/invocation/next")
given = runtime.getresponse()
given.read()
request_id = given.headers["Lambda-Runtime-Aws-Request-Id"]
runtime.request("POST", f"/2018-06-01/runtime/invocation/{request_id}/response", b"1")
time.sleep(60)
"""


def test_whatever_still_waits_when_a_pool_stops_is_answered_and_starts_nothing_anew(tmp_path: Path) -> None:
    python = Interpreter(Path(sys.executable), "3.11")
    function = Function("F", "F", "arn", "app.handler", "python3.11", Source("F", tmp_path), (), {})
    launch = Launch(function, python, (sys.executable, "-S", "-c", ANSWERS_ONCE), tmp_path, {})

    async def scenario() -> None:
        journal, ledger = Journal(tmp_path / "logs", None), Ledger(tmp_path / "started")
        log = FunctionLog(journal, "F", lambda name, line: False)
        pool = Pool(launch, 1, 10.0, throttles=False, log=log, ledger=ledger, on_report=lambda report: None)
        first, handed_over, waiting = (pool.submit(b"{}") for _ in range(3))
        assert (await asyncio.wait_for(first, 10)).payload == b"1"
        await pool.stop()
        for invocation in (handed_over, waiting):
            assert (await asyncio.wait_for(invocation, 10)).error_type == "Runtime.ExitError"
        assert pool.environment_count == 0
        ledger.close()
        journal.close()

    uvloop.run(scenario())
