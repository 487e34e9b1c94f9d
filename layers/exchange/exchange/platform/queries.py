"""Named SQL statements, read from the `queries.sql` beside a room's store.

A file is a sequence of

    -- name: take_shards
    -- Why this statement exists, in one line or a few; not sent to Postgres.
    SELECT …
"""

from __future__ import annotations

import re
from pathlib import Path

_STATEMENT = re.compile(r"^-- name: (\w+)\n((?:-- .+\n)+)", re.MULTILINE)


def load_queries(beside: str) -> dict[str, str]:
    """Read the `queries.sql` in the folder of the module `beside` (pass `__file__`); return its statements by name."""
    text = Path(beside).with_name("queries.sql").read_text(encoding="utf-8")
    pieces = _STATEMENT.split(text)
    return {
        name: body.strip().removesuffix(";") for name, _, body in zip(*[iter(pieces[1:])] * 3, strict=True)
    }
