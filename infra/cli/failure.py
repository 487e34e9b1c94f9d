"""The way a command ends with an error."""

from __future__ import annotations

import sys
from typing import NoReturn

import typer


def fail(message: str) -> NoReturn:
    """Print an error to stderr and end the command with exit code 1."""
    print(f"error: {message}", file=sys.stderr)
    raise typer.Exit(1)
