from __future__ import annotations

import json
import secrets
from dataclasses import asdict, dataclass, field
from pathlib import Path

from .errors import StackError
from .files import replace_file

SECRETS = "secrets.json"


@dataclass(frozen=True)
class StackSecrets:
    postgres_password: str = field(repr=False)
    s3_access_key: str = field(repr=False)
    s3_secret_key: str = field(repr=False)


def load_or_create_secrets(path: Path, postgres_password: str | None) -> StackSecrets:
    """Return the secrets of this data directory, or make them if it has none, readable by their owner alone.

    Raises `StackError` when `postgres_password` is not the one that the data was made with.
    """
    if path.exists():
        kept = StackSecrets(**json.loads(path.read_text()))
        if postgres_password not in (None, kept.postgres_password):
            raise StackError(f"{path.parent} was made with another postgres password; give that one or none")
        return kept
    made = StackSecrets(
        postgres_password=postgres_password or secrets.token_urlsafe(24),
        s3_access_key=secrets.token_hex(10),
        s3_secret_key=secrets.token_urlsafe(30),
    )
    replace_file(path, json.dumps(asdict(made)))
    return made
