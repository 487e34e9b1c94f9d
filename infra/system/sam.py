"""Files for `sam local` beside services that run elsewhere: the template's parameters, and a shell's credentials."""

from __future__ import annotations

from collections.abc import Mapping

from infra.embedded import S3Endpoint


def describe_parameters(parameters: Mapping[str, str]) -> str:
    """Return the parameters as YAML, as `--parameter-overrides file://…` takes it."""
    import yaml  # only exchange services and compose pay for it

    return yaml.safe_dump(dict(parameters))


def describe_environment(s3: S3Endpoint) -> str:
    """Return a script for the shell that runs SAM, whose credentials the functions in its containers get."""
    environment = {
        "AWS_ACCESS_KEY_ID": s3.access_key,
        "AWS_SECRET_ACCESS_KEY": s3.secret_key,
        "AWS_DEFAULT_REGION": s3.region,
        # sam local asks AWS whose keys these are, waits seconds and continues without an answer: here it asks no one.
        "AWS_ENDPOINT_URL_STS": "http://127.0.0.1:9",
        "AWS_MAX_ATTEMPTS": "1",
    }
    lines = [f"export {name}='{value}'" for name, value in environment.items()]
    return "\n".join(["unset AWS_PROFILE AWS_SESSION_TOKEN", *lines]) + "\n"
