"""The package as strangers get it: built, installed into an empty venv, run in a folder with nothing else in it.

What it needs comes from PyPI. Where that cannot be reached, the test does not run and says so.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import zipfile
from pathlib import Path

import psutil
import pytest
import requests

from integration.running import wait_until

PACKAGE = Path(__file__).parents[2]


def run(*command: str | Path, cwd: Path) -> str:
    result = subprocess.run(command, cwd=cwd, env=environment(), capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def environment() -> dict[str, str]:
    """Return this process's environment without what would lead Python back to the repository."""
    return {name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "VIRTUAL_ENV"}}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    ask = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder / "asked")]
    if subprocess.run([*ask, "flit_core==3.12.0"], capture_output=True, check=False).returncode != 0:
        pytest.skip("PyPI cannot be reached: the wheel was neither built nor run")
    run(sys.executable, "-m", "build", "--outdir", folder / "dist", PACKAGE, cwd=folder)
    assert len(list((folder / "dist").glob("sam_offline-*.tar.gz"))) == 1
    (built,) = (folder / "dist").glob("sam_offline-*.whl")
    return built


def test_the_wheel_has_the_package_its_types_and_its_licence_and_nothing_else(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    modules = {str(path.relative_to(PACKAGE)) for path in (PACKAGE / "sam_offline").rglob("*.py")}
    packaged = {name for name in names if ".dist-info/" not in name}
    assert packaged == modules | {"sam_offline/py.typed"}
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)


def test_an_installed_wheel_runs_hello_world_in_a_folder_of_its_own(wheel: Path, tmp_path: Path) -> None:
    run(sys.executable, "-m", "venv", tmp_path / "venv", cwd=tmp_path)
    programs = tmp_path / "venv" / "bin"
    run(programs / "python", "-m", "pip", "install", "--quiet", wheel, cwd=tmp_path)
    version = run(programs / "sam-offline", "--version", cwd=tmp_path)
    assert version == f"sam-offline {wheel.name.split('-')[1]}\n"
    application = shutil.copytree(PACKAGE / "examples" / "hello-world", tmp_path / "hello-world")
    options = ["--api-port=ServerlessRestApi=0", "--lambda-port=0", "--admin-port=0"]
    output = tmp_path / "output.txt"
    with output.open("wb") as file:
        runner = psutil.Popen(
            [programs / "sam-offline", *options],
            cwd=application,
            env=environment(),
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    try:
        wait_until(lambda: "\nServerlessRestApi " in output.read_text() or runner.poll() is not None, 240)
        endpoints = dict(line.split() for line in output.read_text().splitlines() if " http:" in line)
        answer = requests.get(endpoints["ServerlessRestApi"] + "/hello", timeout=30)
        assert answer.status_code == 200
        assert (answer.json()["message"], answer.json()["path"]) == ("hello world", "/hello")
        family = runner.children(recursive=True)
        assert family
    finally:
        runner.send_signal(signal.SIGINT)
        exit_code = runner.wait(60)
    assert exit_code == 0
    assert not psutil.wait_procs(family, timeout=30)[1]
