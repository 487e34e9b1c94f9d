"""The evaluation of an authorizer's IAM policy: an explicit Deny wins, then an Allow.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from enum import Enum
from functools import lru_cache
from ipaddress import ip_address, ip_network
from typing import Any

_ACTION = "execute-api:Invoke"


class MalformedPolicy(Exception):
    """The authorizer's answer holds no policy document."""


class Effect(Enum):
    ALLOW = "Allow"
    DENY = "Deny"
    NONE = "None"


def evaluate(policy: Any, method_arn: str, source_ip: str) -> Effect:
    """Return the effect of a policy document on a call of `method_arn`. Raises MalformedPolicy."""
    effect = Effect.NONE
    for statement in _statements(policy):
        declared = statement.get("Effect")
        if declared not in ("Allow", "Deny"):
            raise MalformedPolicy("a statement without Effect")
        denies = declared == "Deny"
        if not (_matches(statement, "Action", _ACTION) and _matches(statement, "Resource", method_arn)):
            continue
        if not _condition_holds(statement.get("Condition") or {}, source_ip, unknown=denies):
            continue
        if denies:
            return Effect.DENY
        effect = Effect.ALLOW
    return effect


def _statements(policy: Any) -> Iterator[Mapping[str, Any]]:
    statements = policy.get("Statement") if isinstance(policy, Mapping) else None
    if isinstance(statements, Mapping):
        statements = [statements]
    if not isinstance(statements, list) or not statements:
        raise MalformedPolicy("a policy without Statement")
    for statement in statements:
        if not isinstance(statement, Mapping):
            raise MalformedPolicy("a statement that is no object")
        yield statement


def _matches(statement: Mapping[str, Any], element: str, value: str) -> bool:
    """Return whether `Action` or `Resource` matches, or the opposites `NotAction` and `NotResource`."""
    if element in statement:
        patterns, wanted = statement[element], True
    elif f"Not{element}" in statement:
        patterns, wanted = statement[f"Not{element}"], False
    else:
        raise MalformedPolicy(f"a statement without {element}")
    patterns = [patterns] if isinstance(patterns, str) else patterns
    if not isinstance(patterns, list) or not all(isinstance(pattern, str) for pattern in patterns):
        raise MalformedPolicy(f"{element} is neither a string nor a list of strings")
    # Actions are compared without regard to case, ARNs with it.
    flags = re.IGNORECASE if element == "Action" else re.NOFLAG
    return wanted is any(_pattern(pattern, flags).fullmatch(value) for pattern in patterns)


def _condition_holds(condition: Any, source_ip: str, *, unknown: bool) -> bool:
    """Return whether all operators hold.

    Only the caller's address is known here: any other condition counts as `unknown`.
    """
    if not isinstance(condition, Mapping) or not all(
        isinstance(keys, Mapping) for keys in condition.values()
    ):
        raise MalformedPolicy("a condition that is no object")
    for operator, keys in condition.items():
        for key, values in keys.items():
            if operator not in ("IpAddress", "NotIpAddress") or key.lower() != "aws:sourceip":
                return unknown
            if _is_within(source_ip, values) is not (operator == "IpAddress"):
                return False
    return True


def _is_within(source_ip: str, networks: Any) -> bool:
    networks = [networks] if isinstance(networks, str) else networks
    try:
        return any(ip_address(source_ip) in ip_network(network, strict=False) for network in networks)
    except (TypeError, ValueError) as error:
        raise MalformedPolicy("an address that is none") from error


@lru_cache(maxsize=4096)
def _pattern(pattern: str, flags: re.RegexFlag) -> re.Pattern[str]:
    """Return IAM's wildcards as a pattern: `*` is anything, slashes included, `?` any one character."""
    text = "".join({"*": ".*", "?": "."}.get(character, re.escape(character)) for character in pattern)
    return re.compile(text, flags | re.DOTALL)
