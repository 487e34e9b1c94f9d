"""How a command says that it cannot."""

from __future__ import annotations

import sys
from typing import NoReturn

import typer


def fail(message: str) -> NoReturn:
    """Say on stderr what is wrong and end with exit code 1."""
    print(f"error: {message}", file=sys.stderr)
    raise typer.Exit(1)
