from __future__ import annotations

import os
from pathlib import Path


def replace_file(path: Path, text: str, *, mode: int = 0o600) -> None:
    """Write a file beside `path` and move it into place, so that a reader never finds half of it.

    Only the owner can read the file until it is whole; then it gets `mode`.
    """
    replacement = path.with_name(f"{path.name}.new")
    # The one that a killed process left may be read-only by now.
    replacement.unlink(missing_ok=True)
    # Created by this process, for its owner alone: nobody else's file of that name gets the text.
    descriptor = os.open(replacement, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        os.fchmod(descriptor, mode)
    replacement.replace(path)
