"""The real SAM CLI: builds once, invokes, serves; removes the containers that it started."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from infra.cli.addresses import ROOT, free_port

SAM = Path(os.environ.get("SAM_CLI", ROOT / ".venv-sam" / "bin" / "sam"))
IMAGE_TOOL = Path(os.environ.get("LAMBDA_IMAGE_TOOL", ROOT.parent / "shared" / "tools" / "lambda-image.sh"))
IMAGE = "lambda/python:3.11-x86_64"
READY_SECONDS = 90.0


def missing() -> str | None:
    """Why SAM's containers cannot run here, None when they can. Makes engine and image where the tool is at hand."""
    if not SAM.exists():
        return "there is no SAM CLI"
    if not _has_image() and IMAGE_TOOL.exists() and os.geteuid() == 0:
        subprocess.run(["bash", str(IMAGE_TOOL)], stdout=subprocess.DEVNULL, check=False, timeout=180)
    if not _succeeds("docker", "info"):
        return "there is no Docker engine"
    return None if _has_image() else f"there is no image {IMAGE}"


def _has_image() -> bool:
    command = ["docker", "image", "ls", "--format", "{{.Repository}}:{{.Tag}}"]
    try:
        listed = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    except FileNotFoundError:
        return False
    return any(line.endswith(IMAGE) for line in listed.splitlines())


@dataclass(frozen=True)
class Sam:
    """One built application; `parameters` and credentials are what every command of it gets."""

    folder: Path
    parameters: Mapping[str, str] = field(repr=False)
    credentials: Mapping[str, str] = field(repr=False)

    @property
    def template(self) -> Path:
        return self.folder / "build" / "template.yaml"

    @property
    def parameters_file(self) -> Path:
        return self.folder / "parameters.yaml"

    def build(self) -> str:
        """Build functions and layers; gives what SAM said."""
        self.parameters_file.touch(mode=0o600)
        self.parameters_file.write_text(json.dumps(dict(self.parameters)))
        return self._run(
            "build", "--build-dir", str(self.template.parent), "--cache-dir", str(self.folder / "cache")
        )

    def invoke(self, function: str, event: Path) -> Any:
        """What the function answered, an exception's report too."""
        said = self._run("local", "invoke", function, "--event", str(event), *self._local())
        return json.loads(said.strip().splitlines()[-1])

    @contextmanager
    def serve(self, command: str, port: int = 0) -> Iterator[str]:
        """`start-api` or `start-lambda`, warm; the URL to send to."""
        port = port or free_port()
        log = (self.folder / f"{command}.log").open("wb")
        arguments = ["local", command, "--port", str(port), "--warm-containers", "EAGER", *self._local()]
        process = subprocess.Popen(
            [str(SAM), *arguments],
            cwd=ROOT,
            env=self._environment(),
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            _wait_until_it_answers(f"http://127.0.0.1:{port}/", process, Path(log.name))
            yield f"http://127.0.0.1:{port}"
        finally:
            with closing(log):
                process.send_signal(signal.SIGTERM)
                try:
                    process.wait(20)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()

    def _local(self) -> list[str]:
        parameters = f"file://{self.parameters_file}"
        return ["--template", str(self.template), "--skip-pull-image", "--parameter-overrides", parameters]

    def _run(self, *arguments: str) -> str:
        done = subprocess.run(
            [str(SAM), *arguments],
            cwd=ROOT,
            env=self._environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        return done.stdout

    def _environment(self) -> dict[str, str]:
        # sam build looks for the runtime's interpreter by its name.
        path = f"{Path(sys.base_prefix) / 'bin'}{os.pathsep}{os.environ['PATH']}"
        return {**os.environ, "PATH": path, "SAM_CLI_TELEMETRY": "0", **self.credentials}


def containers() -> set[str]:
    """Ids of SAM's function containers, running or not."""
    command = ["docker", "ps", "--all", "--quiet", "--filter", "label=sam.cli.container.type=lambda"]
    return set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())


def remove(ids: set[str]) -> None:
    if ids:
        subprocess.run(["docker", "rm", "--force", *ids], stdout=subprocess.DEVNULL, check=False)


def _wait_until_it_answers(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except urllib.error.HTTPError:
            return
        except OSError:
            assert process.poll() is None, log.read_text()[-3000:]
            assert time.monotonic() < deadline, log.read_text()[-3000:]
            time.sleep(0.2)


def _succeeds(*command: str) -> bool:
    try:
        return subprocess.run(command, capture_output=True, check=False, timeout=30).returncode == 0
    except FileNotFoundError:
        return False
