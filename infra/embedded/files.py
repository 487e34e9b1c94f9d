from __future__ import annotations

from pathlib import Path


def replace_file(path: Path, text: str, *, mode: int = 0o600) -> None:
    """Write a file beside `path` and move it into place, so that a reader never finds half of it.

    Only the owner can read the file until it is whole; then it gets `mode`.
    """
    replacement = path.with_name(f"{path.name}.new")
    # The one that a killed process left may be read-only by now.
    replacement.unlink(missing_ok=True)
    replacement.touch(mode=0o600)
    replacement.write_text(text, encoding="utf-8")
    replacement.chmod(mode)
    replacement.replace(path)
