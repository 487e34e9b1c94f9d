"""A cold start reads no environment variables and opens no connection; the first request does both."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.infra.deployed import functions_of_the_template

ROOT = Path(__file__).parents[3]
FUNCTIONS = sorted(path.parent.name for path in ROOT.glob("functions/*/app.py"))

IMPORT = """
import os, sys
sys.path[:0] = [{function!r}, {layer!r}]

def watch(event, _):
    # Not bind: urllib3 asks the kernel for IPv6 by binding port 0.
    if event in ("socket.connect", "socket.sendto", "socket.getaddrinfo", "socket.sendmsg"):
        raise SystemExit(f"the import used the network: {{event}}")

sys.addaudithook(watch)
assert not [name for name in os.environ if name not in ("LC_CTYPE", "PWD", "SHLVL", "_")], os.environ
import app
assert callable(app.handler)
import exchange.platform.settings as settings
assert settings.load_settings.cache_info().currsize == 0
"""


def test_every_function_is_looked_at() -> None:
    assert {f"functions/{function}" for function in FUNCTIONS} == {
        properties["CodeUri"] for properties in functions_of_the_template().values()
    }


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_handler_is_imported_with_an_empty_environment_and_without_sockets(function: str) -> None:
    script = IMPORT.format(
        function=str(ROOT / "functions" / function), layer=str(ROOT / "layers" / "exchange")
    )
    done = subprocess.run(
        ["env", "-i", sys.executable, "-W", "ignore", "-c", script],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
