from __future__ import annotations

import sys
from pathlib import Path

import pytest

from sam_offline.errors import BuildError
from sam_offline.execution.builds import Builder
from sam_offline.execution.interpreter import Interpreter
from sam_offline.model import Source

# An archive that is being written: its directory, which stands at the end, is not there yet.
HALF_AN_ARCHIVE = b"PK\x03\x04 half"


@pytest.mark.parametrize("content", [HALF_AN_ARCHIVE, b"", b"PK\x05\x06" + b"\xff" * 18])
def test_an_archive_that_is_none_is_a_build_error(tmp_path: Path, content: bytes) -> None:
    archive = tmp_path / "code.zip"
    archive.write_bytes(content)
    builder = Builder(tmp_path / "build", Interpreter(Path(sys.executable), "3.11"))
    with pytest.raises(BuildError, match=r"F: code\.zip cannot be unpacked"):
        builder.function(Source("F", archive))
