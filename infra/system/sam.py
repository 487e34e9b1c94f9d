"""What `sam local` is told of services that run elsewhere: the template's parameters, and a shell's credentials."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import yaml

from infra.embedded import S3Endpoint


def describe_parameters(parameters: Mapping[str, str]) -> str:
    """YAML, as `--parameter-overrides file://…` takes it."""
    return yaml.safe_dump(dict(parameters))


def describe_environment(s3: S3Endpoint) -> str:
    """Lines for a shell to read: functions in SAM's containers have the credentials of whoever runs SAM."""
    environment = {
        "AWS_ACCESS_KEY_ID": s3.access_key,
        "AWS_SECRET_ACCESS_KEY": s3.secret_key,
        "AWS_DEFAULT_REGION": s3.region,
        # sam local asks AWS whose keys these are, waits seconds for it and goes on without: nobody is asked.
        "AWS_ENDPOINT_URL_STS": "http://127.0.0.1:9",
        "AWS_MAX_ATTEMPTS": "1",
    }
    lines = [f"export {name}='{value}'" for name, value in environment.items()]
    return "\n".join(["unset AWS_PROFILE AWS_SESSION_TOKEN", *lines]) + "\n"


def write_whole(path: Path, text: str) -> None:
    """Readable by its owner alone: it holds local secrets. Whole or not at all, since others wait for it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    replacement = path.with_suffix(".new")
    replacement.touch(mode=0o600)
    replacement.write_text(text, encoding="utf-8")
    replacement.replace(path)
