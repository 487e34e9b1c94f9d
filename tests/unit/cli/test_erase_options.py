from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from infra.cli.main import app


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ([], "say what: record ids, --partner or --receipt"),
        (["5573a23f", "--partner", "partnerA"], "say what: record ids, --partner or --receipt"),
        (["5573a23f", "--person", "person.json"], "--person goes with --partner"),
        (["--receipt", "5573a23f", "--case", "TICKET-123"], "--case does not go with --receipt"),
        (["--receipt", "5573a23f", "--dry-run"], "--dry-run does not go with --receipt"),
    ],
)
def test_what_contradicts_itself_erases_nothing(options: list[str], reason: str, tmp_path: Path) -> None:
    ended = CliRunner().invoke(app, ["erase", "--data-dir", str(tmp_path), *options])
    assert ended.exit_code == 1
    assert ended.stderr.startswith(f"error: {reason}")
