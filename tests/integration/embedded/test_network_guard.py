from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

TESTS = Path(__file__).parents[2]
CONNECTS = """
import socket

def test_connects():
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", 1)) != 0
"""


def test_a_unit_test_that_uses_the_network_fails_and_any_other_does_not(tmp_path: Path) -> None:
    for kind in ("unit", "integration"):
        folder = tmp_path / "tests" / kind
        folder.mkdir(parents=True)
        (folder / f"test_{kind}.py").write_text(CONNECTS)
    shutil.copy(TESTS / "conftest.py", tmp_path / "tests")
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests"],
        check=False,
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": os.pathsep.join((str(TESTS.parent), *sys.path))},
        capture_output=True,
        text=True,
    )
    assert "1 failed, 1 passed" in run.stdout
    assert "FAILED tests/unit/test_unit.py::test_connects" in run.stdout
    assert "a unit test used the network (socket.connect)" in run.stdout
