from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from infra.system.lock import Held, Holder, find_holder, hold

ROOT = Path(__file__).parents[3]
HOLD_UNTIL_TOLD = """
import sys, pathlib
from infra.system.lock import hold
with hold(pathlib.Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def start_holder(data_dir: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", HOLD_UNTIL_TOLD, str(data_dir)]
    process = subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=os.environ
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_nobody_holds_a_folder_that_was_never_used(tmp_path: Path) -> None:
    assert find_holder(tmp_path) is None
    assert not list(tmp_path.iterdir())


def test_a_folder_has_one_holder_and_the_second_is_told_who(tmp_path: Path) -> None:
    with start_holder(tmp_path) as process:
        with pytest.raises(Held) as held, hold(tmp_path):
            raise AssertionError("two hold one folder")
        assert held.value.holder.pid == process.pid
        holder = find_holder(tmp_path)
        assert holder is not None
        assert holder.pid == process.pid
        process.communicate("")


def test_one_who_has_taken_the_lock_and_not_written_yet_is_waited_for(tmp_path: Path) -> None:
    with (tmp_path / "holder").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        me = Holder.this_process()
        written = json.dumps({"pid": me.pid, "started_ticks": me.started_ticks})
        writer = threading.Timer(0.2, lambda: os.pwrite(file.fileno(), written.encode(), 0))
        writer.start()
        assert find_holder(tmp_path) == me
        writer.join()
        with pytest.raises(Held) as held, hold(tmp_path):
            raise AssertionError("two hold one folder")
        assert held.value.holder == me


def test_a_holder_that_is_killed_lets_go(tmp_path: Path) -> None:
    with start_holder(tmp_path) as process:
        process.kill()
        process.communicate()
    assert find_holder(tmp_path) is None
    with hold(tmp_path):
        pass


def test_a_process_that_has_inherited_the_pid_of_a_dead_holder_is_left_alone() -> None:
    stranger = replace(Holder.this_process(), started_ticks=Holder.this_process().started_ticks - 1)
    assert not stranger.is_alive
    stranger.terminate()
    assert Holder.this_process().is_alive


def test_a_holder_of_the_first_release_is_recognized(tmp_path: Path) -> None:
    """Recognize a holder that wrote its start as a time of day."""
    with (tmp_path / "holder").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        started_at = psutil.Process().create_time()
        os.pwrite(file.fileno(), json.dumps({"pid": os.getpid(), "started_at": started_at}).encode(), 0)
        assert find_holder(tmp_path) == Holder.this_process()
