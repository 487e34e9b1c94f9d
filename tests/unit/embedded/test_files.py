from __future__ import annotations

from pathlib import Path

import pytest

from infra.embedded.files import replace_file


@pytest.mark.parametrize("mode", [0o600, 0o444])
def test_a_file_is_replaced_whole_and_has_its_mode(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "secret.json"
    for text in ("first", "second"):
        replace_file(path, text, mode=mode)
        assert path.read_text() == text
        assert path.stat().st_mode & 0o777 == mode
    assert list(tmp_path.iterdir()) == [path]


def test_what_a_killed_process_left_beside_it_is_in_nobody_s_way(tmp_path: Path) -> None:
    path = tmp_path / "secret.json"
    left = tmp_path / "secret.json.new"
    left.write_text("half")
    left.chmod(0o444)
    replace_file(path, "whole")
    assert path.read_text() == "whole"
    assert not left.exists()
