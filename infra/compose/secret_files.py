"""Secrets of a compose project: made at its first start, kept in a volume, never in a file of the repository."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from pathlib import Path

from infra.embedded.files import replace_file

S3_ACCESS_KEY = "exchange"
NAMES = ("postgres_password", "s3_secret_key", "jwt_secret", "tokenizer_hmac_secret", "grafana_password")


def make_secrets(folder: Path) -> None:
    """Make every secret that `folder` does not have yet, one a file."""
    for name in NAMES:
        _write_once(folder / name, lambda: secrets.token_urlsafe(32))
    _write_once(
        folder / "s3.json", lambda: json.dumps(_s3_identities(read_secret_file(folder, "s3_secret_key")))
    )


def read_secret_file(folder: Path, name: str) -> str:
    """Return the secret `name` of `folder`."""
    return (folder / name).read_text(encoding="utf-8")


def _write_once(path: Path, make: Callable[[], str]) -> None:
    if path.exists():
        return
    # Each service reads as a user of its own, and anyone who can start containers can read volumes anyway.
    replace_file(path, make(), mode=0o444)


def _s3_identities(secret_key: str) -> dict[str, object]:
    # https://github.com/seaweedfs/seaweedfs/wiki/Amazon-S3-API#static-configuration
    credentials = [{"accessKey": S3_ACCESS_KEY, "secretKey": secret_key}]
    return {"identities": [{"name": "exchange", "credentials": credentials, "actions": ["Admin"]}]}
