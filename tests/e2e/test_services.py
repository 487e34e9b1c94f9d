from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

from infra.cli.docker_bridge import bridge_address
from tests.e2e.exchange_command import family_of, started, still_alive


@pytest.mark.skipif(bridge_address() is None, reason="exchange services wants a Docker bridge")
def test_ctrl_c_during_the_start_of_the_services_ends_it(tmp_path: Path) -> None:
    with started("services", "--any-ports", "--lambda-port=0", "--data-dir", tmp_path) as running:
        family = family_of(running.pid)
        while len(family) < 2:
            time.sleep(0.01)
            family = family_of(running.pid)
        running.send_signal(signal.SIGINT)
        output, _ = running.communicate(timeout=60)
    assert running.returncode == 1
    assert "Stopped before it was ready" in output
    assert not still_alive(family)
