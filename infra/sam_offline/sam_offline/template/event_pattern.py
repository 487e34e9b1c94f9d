"""EventBridge's event patterns, the language of Lambda's filter criteria.

https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html
https://docs.aws.amazon.com/lambda/latest/dg/invocation-eventfiltering.html#filtering-syntax
"""

from __future__ import annotations

import ipaddress
import json
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from sam_offline.errors import TemplateError

Matcher = Callable[[Any], bool]
# https://docs.aws.amazon.com/lambda/latest/dg/invocation-eventfiltering.html: five, ten if asked for
_MOST_FILTERS = 10
_COMPARISONS: Mapping[str, Callable[[Decimal, Decimal], bool]] = {
    "=": operator.eq,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


class Number(str):
    """A JSON number in its spelling: 300, 300.0 and 3.0e2 are not equal in a pattern."""

    __slots__ = ()


class _Absent:
    """The value of an absent field."""


ABSENT = _Absent()


def parse_json(text: str | bytes) -> Any:
    """Parse JSON for a pattern, keeping the spelling of numbers. Raises ValueError."""
    return json.loads(text, parse_int=Number, parse_float=Number)


def read_filters(texts: Sequence[str]) -> list[dict[str, Any]]:
    """Parse the patterns of filter criteria. Raises TemplateError for what AWS refuses."""
    if len(texts) > _MOST_FILTERS:
        raise TemplateError(f"filter criteria: {len(texts)} filters, {_MOST_FILTERS} at most")
    return [_read_filter(text) for text in texts]


def _read_filter(text: str) -> dict[str, Any]:
    try:
        pattern: dict[str, Any] = parse_json(text)
    except ValueError as error:
        raise TemplateError("filter pattern: is no JSON") from error
    compile_pattern(pattern)
    return pattern


def compile_pattern(pattern: Any, path: str = "") -> Matcher:
    """Return a matcher for documents from `parse_json`. Raises TemplateError."""
    if not isinstance(pattern, dict) or not pattern:
        raise TemplateError(f"filter pattern{path}: is not an object with fields")
    fields = {name: _compile_field(rule, f"{path}.{name}") for name, rule in pattern.items() if name != "$or"}
    either = _compile_either(pattern["$or"], path) if "$or" in pattern else None

    def matches(document: Any) -> bool:
        if isinstance(document, list):
            return any(matches(item) for item in document)
        known = document if isinstance(document, dict) else {}
        return all(field(known.get(name, ABSENT)) for name, field in fields.items()) and (
            either is None or either(document)
        )

    return matches


def _compile_either(alternatives: Any, path: str) -> Matcher:
    if not isinstance(alternatives, list) or not alternatives:
        raise TemplateError(f"filter pattern{path}.$or: is not a list of patterns")
    matchers = [compile_pattern(alternative, f"{path}.$or") for alternative in alternatives]
    return lambda document: any(matches(document) for matches in matchers)


def _compile_field(rule: Any, path: str) -> Matcher:
    if isinstance(rule, dict):
        return compile_pattern(rule, path)
    if not isinstance(rule, list) or not rule:
        raise TemplateError(f"filter pattern{path}: is neither an object nor a list of rules")
    matchers = [_compile_rule(item, path) for item in rule]
    return lambda value: any(matches(value) for matches in matchers)


def _compile_rule(rule: Any, path: str) -> Matcher:
    if isinstance(rule, list):
        raise TemplateError(f"filter pattern{path}: a rule is no list")
    if not isinstance(rule, dict):
        return _of_leaves(lambda leaf: _equal(leaf, rule))
    if len(rule) != 1:
        raise TemplateError(f"filter pattern{path}: a rule has one operator")
    ((name, argument),) = rule.items()
    if name == "exists":
        if not isinstance(argument, bool):
            raise TemplateError(f"filter pattern{path}: exists is true or false")
        # Leaves only exist: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html
        return lambda value: any(True for _ in _leaves(value)) is argument
    if name == "anything-but":
        refused = _compile_anything_but(argument, path)
        return _of_leaves(lambda leaf: not refused(leaf))
    return _of_leaves(_compile_operator(name, argument, path))


def _compile_anything_but(argument: Any, path: str) -> Matcher:
    if isinstance(argument, dict):
        ((name, operands),) = argument.items() if len(argument) == 1 else [("", None)]
        listed = operands if isinstance(operands, list) else [operands]
        if name not in ("prefix", "suffix", "equals-ignore-case", "wildcard"):
            raise TemplateError(f"filter pattern{path}: anything-but knows no {name or 'such rule'}")
        matchers = [_compile_operator(name, operand, path) for operand in listed]
        return lambda leaf: any(matches(leaf) for matches in matchers)
    values = argument if isinstance(argument, list) else [argument]
    return lambda leaf: any(_equal(leaf, value) for value in values)


def _compile_operator(name: str, argument: Any, path: str) -> Matcher:
    if name == "numeric":
        return _compile_numeric(argument, path)
    folds_case = False
    if (
        name in ("prefix", "suffix")
        and isinstance(argument, dict)
        and set(argument) == {"equals-ignore-case"}
    ):
        folds_case, argument = True, argument["equals-ignore-case"]
    if not isinstance(argument, str) or isinstance(argument, Number):
        raise TemplateError(f"filter pattern{path}: {name} takes a string")
    text = argument.lower() if folds_case or name == "equals-ignore-case" else argument
    if name == "cidr":
        return _compile_cidr(text, path)
    if name == "wildcard":
        wildcard = re.compile(".*".join(map(re.escape, text.split("*"))), re.DOTALL)
        return _of_text(lambda leaf: wildcard.fullmatch(leaf) is not None)
    if name == "equals-ignore-case":
        return _of_text(lambda leaf: leaf.lower() == text)
    if name == "prefix":
        return _of_text(lambda leaf: (leaf.lower() if folds_case else leaf).startswith(text))
    if name == "suffix":
        return _of_text(lambda leaf: (leaf.lower() if folds_case else leaf).endswith(text))
    raise TemplateError(f"filter pattern{path}: {name} is no operator")


def _compile_numeric(argument: Any, path: str) -> Matcher:
    bounds = argument if isinstance(argument, list) else []
    pairs = list(zip(bounds[::2], bounds[1::2], strict=False))
    known = all(sign in _COMPARISONS and isinstance(bound, Number) for sign, bound in pairs)
    if not pairs or len(bounds) % 2 or not known:
        raise TemplateError(f"filter pattern{path}: numeric takes comparisons and numbers")
    comparisons = [(_COMPARISONS[sign], Decimal(bound)) for sign, bound in pairs]
    return lambda leaf: (
        isinstance(leaf, Number) and all(compare(Decimal(leaf), bound) for compare, bound in comparisons)
    )


def _compile_cidr(text: str, path: str) -> Matcher:
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError as error:
        raise TemplateError(f"filter pattern{path}: cidr takes a network") from error

    def matches(leaf: str) -> bool:
        try:
            return ipaddress.ip_address(leaf) in network
        except ValueError:
            return False

    return _of_text(matches)


def _equal(leaf: Any, value: Any) -> bool:
    # Number is a kind of str, and Python has True == 1.
    return type(leaf) is type(value) and bool(leaf == value)


def _of_text(matches: Callable[[str], bool]) -> Matcher:
    return lambda leaf: isinstance(leaf, str) and not isinstance(leaf, Number) and matches(leaf)


def _of_leaves(matches: Matcher) -> Matcher:
    """Make a rule apply to a list's items, of which one must match; objects and absent fields match nothing."""
    return lambda value: any(matches(leaf) for leaf in _leaves(value))


def _leaves(value: Any) -> list[Any]:
    if isinstance(value, list):
        return [leaf for item in value for leaf in _leaves(item)]
    return [] if value is ABSENT or isinstance(value, dict) else [value]
