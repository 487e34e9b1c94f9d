"""The ARNs and names of functions, in a placeholder account."""

from __future__ import annotations

ACCOUNT_ID = "123456789012"


def function_arn(region: str, name: str) -> str:
    """Return the ARN that a function of this name would have on AWS."""
    return f"arn:aws:lambda:{region}:{ACCOUNT_ID}:function:{name}"


def function_name_of(reference: str) -> str:
    """Return the function name in a name, a partial ARN, an ARN or an API Gateway integration URI.

    A version or alias at the end is dropped: the runner has one version of every function.
    """
    if "/functions/" in reference:
        reference = reference.split("/functions/", 1)[1].split("/", 1)[0]
    if ":function:" in reference:
        reference = reference.split(":function:", 1)[1]
    return reference.split(":", 1)[0]
