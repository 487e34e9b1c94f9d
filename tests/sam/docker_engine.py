"""The Docker engine that SAM uses: its presence, and the containers that SAM left in it."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

from infra.system.layout import ROOT

IMAGE_TOOL = Path(os.environ.get("LAMBDA_IMAGE_TOOL", ROOT.parent / "shared" / "tools" / "lambda-image.sh"))
# The image's path in any registry that SAM takes it from.
IMAGE = "lambda/python:3.11-x86_64"
# The files that a killed engine leaves, and the program whose pid each holds.
PID_FILES = {
    Path("/var/run/docker.pid"): "dockerd",
    Path("/var/run/docker/containerd/containerd.pid"): "containerd",
}
COMMAND_SECONDS = 60
IMAGE_TOOL_SECONDS = 240


def missing() -> str | None:
    """Return why SAM's containers cannot run here, or None. Sets up engine and image where the tool is available."""
    made = ""
    if not _has_image() and IMAGE_TOOL.exists() and os.geteuid() == 0:
        made = f"; {IMAGE_TOOL.name} said: {_make_image()}"
    if not _docker("info"):
        return f"there is no Docker engine{made}"
    return None if _has_image() else f"there is no image {IMAGE}{made}"


def remove_containers_of(folder: Path) -> None:
    """Remove SAM's containers whose code lies below `folder`, and no others."""
    command = ("ps", "--all", "--quiet", "--no-trunc", "--filter", "label=sam.cli.container.type=lambda")
    ids = (_docker(*command) or "").split()
    described = json.loads(_docker("container", "inspect", *ids) or "[]") if ids else []
    ours = [
        container["Id"]
        for container in described
        if any(Path(mount["Source"]).is_relative_to(folder) for mount in container["Mounts"])
    ]
    if ours:
        _docker("rm", "--force", *ours)


def _has_image() -> bool:
    images = _docker("image", "ls", "--format", "{{.Repository}}:{{.Tag}}") or ""
    return any(image.endswith(f"/{IMAGE}") for image in images.split())


def _docker(*arguments: str) -> str | None:
    """Return the output of a docker command, or None when it failed."""
    try:
        done = subprocess.run(
            ["docker", *arguments], capture_output=True, text=True, check=False, timeout=COMMAND_SECONDS
        )
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None


def _make_image() -> str:
    """Run the tool; return the last line of its output."""
    _forget_killed_engine()
    try:
        done = subprocess.run(
            ["bash", str(IMAGE_TOOL)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=IMAGE_TOOL_SECONDS,
        )
    except subprocess.TimeoutExpired:
        return f"nothing within {IMAGE_TOOL_SECONDS} s"
    return " ".join(done.stdout.split("\n")[-3:]).strip()


def _forget_killed_engine() -> None:
    # Otherwise no engine starts any more once another program has got the pid of a killed one.
    for file, program in PID_FILES.items():
        if file.exists():
            command = Path(f"/proc/{file.read_text().strip()}/comm")
            if not command.exists() or command.read_text().strip() != program:
                file.unlink()
