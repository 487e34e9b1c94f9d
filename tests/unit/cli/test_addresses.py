from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from infra.cli.main import app


@pytest.mark.parametrize("written", [json.dumps({"pid": 1, "ingest": "http://a"}), '"http://a"', "{"])
def test_a_folder_of_another_version_is_named_and_what_to_do(tmp_path: Path, written: str) -> None:
    (tmp_path / "addresses.json").write_text(written)
    ended = CliRunner().invoke(app, ["token", "--data-dir", str(tmp_path)])
    assert ended.exit_code == 1
    assert ended.stderr == (
        f"error: the system on {tmp_path} was started by another version of exchange;"
        " start it again with this one: exchange down, then exchange up\n"
    )
