"""The real SAM CLI as a person runs it, with the environment `local` of samconfig.toml instead of long options."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.system.addresses import free_port
from infra.system.layout import ROOT

SAM = Path(os.environ.get("SAM_CLI", ROOT / ".venv-sam" / "bin" / "sam"))
PYTHON = "python3.11"
BUILD_SECONDS = 300
INVOKE_SECONDS = 120
READY_SECONDS = 240
STOP_SECONDS = 20
# Runs a command in a shell with the variables that `exchange services` writes for it.
IN_A_SHELL = 'if [ -e .local/sam/environment ]; then . .local/sam/environment; fi; exec "$0" "$@"'


def missing() -> str | None:
    """Return why SAM cannot build here, or None."""
    if not SAM.exists():
        return "there is no SAM CLI; make test-sam installs it"
    # sam build looks for the runtime's interpreter by its name.
    return None if shutil.which(PYTHON, path=_path()) else f"there is no {PYTHON}"


@dataclass(frozen=True)
class Server:
    """A process of `sam local start-api` or `start-lambda` that may not be ready yet."""

    url: str
    process: subprocess.Popen[bytes]
    log: Path

    def wait_ready(self) -> str:
        """Wait until the server answers; return its URL."""
        deadline = time.monotonic() + READY_SECONDS
        while True:
            try:
                with urllib.request.urlopen(f"{self.url}/", timeout=5):
                    return self.url
            except urllib.error.HTTPError:
                return self.url
            except OSError:
                assert self.process.poll() is None, self.log.read_text()[-3000:]
                assert time.monotonic() < deadline, self.log.read_text()[-3000:]
                time.sleep(0.2)


@dataclass(frozen=True)
class Sam:
    """SAM in `folder`, which is like a clone: it has its own .local and .aws-sam, and the repository's template."""

    folder: Path

    @property
    def parameters_file(self) -> Path:
        return self.folder / ".local" / "sam" / "parameters.yaml"

    @property
    def built(self) -> Path:
        return self.folder / ".aws-sam" / "build"

    def run(self, *arguments: str, environment: str = "local", seconds: float = INVOKE_SECONDS) -> str:
        """Run a command, which must succeed in time; return its output."""
        done = subprocess.run(
            _command(*arguments, environment=environment),
            cwd=self.folder,
            env=_environment(),
            capture_output=True,
            text=True,
            check=False,
            timeout=seconds,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        return done.stdout

    def build(self) -> None:
        self.run("build", "--template", str(ROOT / "template.yaml"), seconds=BUILD_SECONDS)

    def invoke(self, function: str, event: Path) -> Any:
        """Invoke a function; return its answer, or the report of its exception."""
        said = self.run("local", "invoke", function, "--event", str(event))
        return json.loads(said.strip().splitlines()[-1])

    @contextmanager
    def serve(self, command: str, port: int = 0) -> Iterator[Server]:
        """Run `start-api` or `start-lambda` while the block runs."""
        port = port or free_port()
        path = self.folder / f"{command}.log"
        with path.open("wb") as log:
            process = subprocess.Popen(
                _command("local", command, "--port", str(port)),
                cwd=self.folder,
                env=_environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
            try:
                yield Server(f"http://127.0.0.1:{port}", process, path)
            finally:
                stop(process)


def stop(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _command(*arguments: str, environment: str = "local") -> list[str]:
    where = ["--config-env", environment, "--config-file", str(ROOT / "samconfig.toml")]
    return ["bash", "-c", IN_A_SHELL, str(SAM), *arguments, *where]


def _environment() -> dict[str, str]:
    return {**os.environ, "PATH": _path(), "SAM_CLI_TELEMETRY": "0"}


def _path() -> str:
    return f"{Path(sys.base_prefix) / 'bin'}{os.pathsep}{os.environ['PATH']}"
