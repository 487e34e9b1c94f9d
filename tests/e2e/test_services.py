from __future__ import annotations

from pathlib import Path

import pytest

from infra.system.docker_bridge import bridge_address
from tests.e2e.exchange_command import interrupt_start


@pytest.mark.skipif(bridge_address() is None, reason="exchange services wants a Docker bridge")
def test_ctrl_c_during_the_start_of_the_services_ends_it(tmp_path: Path) -> None:
    exit_code, output, left = interrupt_start(
        "services", "--any-ports", "--lambda-port=0", "--data-dir", tmp_path
    )
    assert exit_code == 1
    assert "Stopped before it was ready" in output
    assert not left
