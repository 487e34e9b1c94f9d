"""The contract files, as what the code checks documents with at run time."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

from jsonschema_rs import Draft202012Validator, ValidationError, ValidationErrorKind

from exchange.errors import ContractViolation

_FOLDER = Path(__file__).parent.parent / "contracts"
_SCHEME = "contracts:///"

# A hostile document can break its contract a million times; the first hundred tell enough.
_ERRORS_LOOKED_AT = 100

_FORMATS = {
    "date": "is not a calendar date (YYYY-MM-DD)",
    "date-time": "is not a date and time with an offset (RFC 3339)",
    "uuid": "is not a UUID",
}


class Contract:
    """One JSON Schema file, compiled. Formats are asserted; an unknown format does not compile."""

    def __init__(self, uri: str) -> None:
        schema = _read(uri)
        self._validator = Draft202012Validator(
            schema,
            validate_formats=True,
            ignore_unknown_formats=False,
            # A $ref to a neighbour is read from our folder: the default retriever knows HTTP and costs 8 ms.
            base_uri=uri,
            retriever=_read,
        )
        self._rules = dict(_pattern_rules(schema))

    def validate(self, value: object, *, at: str = "") -> None:
        """Pass a value that `parse_json` gave, or raise ContractViolation for its first breach.

        `field` is the dotted path, array positions included (`lines.0.charge`), below `at`; `$` is the value
        itself. First is what stands highest, then by path, then by keyword, however the document is ordered.
        Neither the field nor the message holds a value or a name that the contract does not know.
        """
        if self._validator.is_valid(value):
            return
        errors = islice(self._validator.iter_errors(value), _ERRORS_LOOKED_AT)
        raise self._violation(min(errors, key=_rank), at)

    def _violation(self, error: ValidationError, at: str) -> ContractViolation:
        steps = [at] if at else []
        steps += map(str, error.instance_path)
        if isinstance(error.kind, ValidationErrorKind.Required):
            steps.append(error.kind.property)
        return ContractViolation(self._wording(error.kind), field=".".join(steps) or "$")

    def _wording(self, kind: ValidationErrorKind) -> str:
        match kind:
            case ValidationErrorKind.Required():
                return "is missing"
            case ValidationErrorKind.AdditionalProperties():
                return "has a field that its contract does not know"
            case ValidationErrorKind.Type(types=types):
                return f"must be {' or '.join(types)}"
            case ValidationErrorKind.Enum(options=options):
                return f"must be one of {', '.join(map(str, options))}"
            case ValidationErrorKind.Constant(expected_value=expected):
                return f"must be {json.dumps(expected)}"
            case ValidationErrorKind.Format(format=name):
                return _FORMATS[name]
            case ValidationErrorKind.Pattern(pattern=pattern):
                return self._rules.get(pattern, "is not spelled as its contract says")
            case ValidationErrorKind.MinLength(limit=limit):
                return f"must have at least {limit} characters"
            case ValidationErrorKind.MaxLength(limit=limit):
                return f"must have at most {limit} characters"
            case ValidationErrorKind.MinItems(limit=limit):
                return f"must have at least {limit} entries"
            case ValidationErrorKind.MaxItems(limit=limit):
                return f"must have at most {limit} entries"
            case ValidationErrorKind.Minimum(limit=limit):
                return f"must be at least {limit}"
            case ValidationErrorKind.Maximum(limit=limit):
                return f"must be at most {limit}"
            case _:
                return f"breaks its contract ({kind.name})"


@cache
def contract(name: str) -> Contract:
    """The contract of a name such as "events/record.ingested.v1", compiled once a process."""
    return Contract(f"{_SCHEME}{name}.json")


def _read(uri: str) -> Any:
    return json.loads((_FOLDER / uri.removeprefix(_SCHEME)).read_bytes())


def _rank(error: ValidationError) -> tuple[int, list[str], str]:
    return len(error.instance_path), [str(step) for step in error.instance_path], error.kind.name


def _pattern_rules(node: Any) -> Iterator[tuple[str, str]]:
    """Each `pattern` with the `x-rule` beside it: the pattern in words, for the people who break it."""
    if isinstance(node, dict):
        if "x-rule" in node:
            yield node["pattern"], node["x-rule"]
        for child in node.values():
            yield from _pattern_rules(child)
    elif isinstance(node, list):
        for child in node:
            yield from _pattern_rules(child)
