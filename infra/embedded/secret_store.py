from __future__ import annotations

import json
import os
import secrets
from dataclasses import asdict, dataclass, field
from pathlib import Path

from .errors import StackError

SECRETS = "secrets.json"


@dataclass(frozen=True)
class StackSecrets:
    postgres_password: str = field(repr=False)
    s3_access_key: str = field(repr=False)
    s3_secret_key: str = field(repr=False)


def load_or_create_secrets(path: Path, postgres_password: str | None) -> StackSecrets:
    """The secrets this data directory was made with; made now, readable by us alone, when there are none.

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
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(asdict(made), file)
    return made
