from __future__ import annotations

import signal
from pathlib import Path

import psutil

from infra.system.background import BackgroundSystem


def test_a_system_that_does_not_stop_in_its_time_is_killed_with_all_that_it_started(tmp_path: Path) -> None:
    # A file that another version left must not keep this one from starting.
    (tmp_path / "addresses.json").write_text('{"pid": 1}')
    options = ["--any-ports", "--broker-storage=memory"]
    system = BackgroundSystem(tmp_path, options, dies_with_us=True)
    try:
        process = psutil.Process(system.wait_ready(120).pid)
        family = process.children(recursive=True)
        process.suspend()
        assert system.stop(timeout_seconds=0.5) == -signal.SIGKILL
        assert len(family) > 5
        assert not [each for each in family if each.is_running() and each.status() != psutil.STATUS_ZOMBIE]
    finally:
        system.stop(timeout_seconds=0)
