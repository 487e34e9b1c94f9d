"""The Python interpreter that runs a Lambda runtime's functions."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path


@dataclass(frozen=True)
class Interpreter:
    """An interpreter outside any venv, and its version, such as `3.11`."""

    path: Path
    version: str

    def is_for(self, runtime: str) -> bool:
        """Return whether it has the version of a runtime such as `python3.11`."""
        return runtime == f"python{self.version}"


@cache
def find_interpreter(runtime: str) -> Interpreter:
    """Return the interpreter for a runtime, or the runner's own if that version is not installed."""
    version = "{}.{}".format(*sys.version_info)
    own = Interpreter(Path(getattr(sys, "_base_executable", sys.executable)).resolve(), version)
    if own.is_for(runtime):
        return own
    found = shutil.which(runtime)
    if found is None:
        return own
    path = Path(found).resolve()
    # Ask for the version: a shim of that name may stand for any version or none.
    command = [str(path), "-S", "-c", "import sys; print('{}.{}'.format(*sys.version_info))"]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    return Interpreter(path, answer.stdout.strip()) if answer.returncode == 0 else own
