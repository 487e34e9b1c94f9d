"""The output of `--help` on a terminal of 80 columns."""

from __future__ import annotations

from itertools import pairwise

import pytest
from typer.testing import CliRunner

from infra.cli.main import app


def paragraphs(*command: str) -> list[list[str]]:
    """Return the lines of each paragraph above the first box."""
    told = CliRunner().invoke(app, [*command, "--help"], env={"COLUMNS": "80"}).stdout
    text = "\n".join(line.strip() for line in told.partition("╭")[0].splitlines())
    return [paragraph.splitlines() for paragraph in text.strip().split("\n\n")]


@pytest.mark.parametrize(
    "command",
    [("replay",), ("reconcile",), ("erase",), ("dead-letters", "redrive"), ("token",), ("up",)],
    ids=" ".join,
)
def test_a_paragraph_fills_its_lines(command: tuple[str, ...]) -> None:
    ragged = [
        line
        for lines in paragraphs(*command)
        for line, following in pairwise(lines)
        if len(f" {line} {following.split()[0]} ") <= 80
    ]
    assert ragged == []
