"""`exchange erase` against a function that does not finish its work."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from typer.testing import CliRunner, Result

from infra.cli.main import app
from infra.system.addresses import Addresses
from infra.system.lock import hold

RECORDS = [f"5573a23f-0000-4000-8000-00000000000{number}" for number in range(3)]
RECEIPT = {
    "erasure_id": "e",
    "totals": {"records": 3},
    "records": [],
    "statement": "gone",
    "sha256": "0",
    "complete": True,
}


@contextmanager
def eraser_that_leaves(remaining: list[int]) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Yield a Lambda endpoint and its requests; its calls leave as many records as `remaining` says.

    The last number is repeated for a while, but not forever.
    """
    asked: list[dict[str, Any]] = []

    class Eraser(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            left = remaining[min(len(asked), len(remaining)) - 1] if len(asked) < 20 else 0
            answer = {"erasure_id": "e", "already_erased": [], "unknown": [], "receipt": RECEIPT}
            body = json.dumps(answer | {"remaining": left}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Eraser) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", asked
        server.shutdown()


def erase(data_dir: Path, lambda_url: str) -> Result:
    with hold(data_dir):
        Addresses(os.getpid(), "", "", lambda_url, "", "", "", "", "key", "secret", "").save(data_dir)
        return CliRunner().invoke(app, ["erase", *RECORDS, "--yes", "--data-dir", str(data_dir)])


def test_an_erasure_that_gets_no_further_ends_with_what_is_left_and_the_receipt_of_the_rest(
    tmp_path: Path,
) -> None:
    with eraser_that_leaves([2]) as (url, asked):
        ended = erase(tmp_path, url)
    assert ended.exit_code == 1
    assert "2 of 3 records are not reached" in ended.stderr
    assert f"--receipt {asked[0]['erasure_id']}" in ended.stderr
    # The first call made progress.
    assert len(asked) == 4


def test_an_erasure_that_gets_further_now_and_then_is_asked_until_nothing_is_left(tmp_path: Path) -> None:
    with eraser_that_leaves([3, 3, 2, 2, 2, 0]) as (url, asked):
        ended = erase(tmp_path, url)
    assert ended.exit_code == 0, ended.stderr
    assert len(asked) == 6
