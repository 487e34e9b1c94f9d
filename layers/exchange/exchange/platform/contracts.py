"""The contract files, compiled to validate documents at run time."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema_rs import Draft202012Validator, ValidationError, ValidationErrorKind

from exchange.errors import ContractViolation

_FOLDER = Path(__file__).parent.parent / "contracts"
_SCHEME = "contracts:///"

_TYPES = {
    "array": "an array",
    "boolean": "true or false",
    "integer": "an integer",
    "null": "null",
    "number": "a number",
    "object": "an object",
    "string": "a string",
}

_FORMATS = {
    "date": "is not a calendar date (YYYY-MM-DD)",
    "date-time": "is not a date and time with an offset (RFC 3339)",
    "uuid": "is not a UUID",
}


class Contract:
    """A compiled JSON Schema file. Formats are asserted; a schema with an unknown format does not compile."""

    def __init__(self, uri: str) -> None:
        self._validator = Draft202012Validator(
            _read(uri),
            validate_formats=True,
            ignore_unknown_formats=False,
            # A $ref to another contract is read from our folder; the default retriever loads HTTP and costs 8 ms.
            base_uri=uri,
            retriever=_read,
        )

    def is_valid(self, value: object) -> bool:
        """Tell whether the value meets the contract, without saying why not."""
        return self._validator.is_valid(value)

    def validate(self, value: object, *, at: str = "") -> None:
        """Validate a value that `parse_json` returned; raise ContractViolation for its first breach.

        `field` is the dotted path, array positions included (`lines.0.charge`), below `at`; `$` is the value
        itself. The same document always has the same first breach: missing fields come before wrong ones.
        Neither the field nor the message holds a value or a name that the contract does not know.
        """
        # Stops at the first breach, which takes 0.3 s with a hostile 4 MiB document; listing every breach takes 50 s.
        try:
            self._validator.validate(value)
        except ValidationError as error:
            # The cause prints the offending value, so it is not shown.
            raise _violation(error, at) from None


@cache
def contract(name: str) -> Contract:
    """Return the contract of a name such as "events/record.ingested.v1", compiled once a process."""
    return Contract(f"{_SCHEME}{name}.json")


def partner_contracts() -> list[tuple[str, str]]:
    """Return (format, kind) of every partner contract: the folder and the name of its file."""
    return sorted((path.parent.name, path.stem) for path in _FOLDER.glob("partners/*/*.json"))


@cache
def _read(uri: str) -> Any:
    return json.loads((_FOLDER / uri.removeprefix(_SCHEME)).read_bytes())


def _violation(error: ValidationError, at: str) -> ContractViolation:
    steps = [at] if at else []
    steps += map(str, error.instance_path)
    if isinstance(error.kind, ValidationErrorKind.Required):
        steps.append(error.kind.property)
    return ContractViolation(_wording(error), field=".".join(steps) or "$")


def _wording(error: ValidationError) -> str:
    """Describe the broken rule in the contract's own text only, since the error also holds the value."""
    match error.kind:
        case ValidationErrorKind.Required():
            return "is missing"
        case ValidationErrorKind.AdditionalProperties():
            return "has a field that its contract does not know"
        case ValidationErrorKind.FalseSchema():
            return "must not be given here"
        case ValidationErrorKind.Type(types=types):
            return f"must be {' or '.join(_TYPES[name] for name in types)}"
        case ValidationErrorKind.Enum(options=options):
            return f"must be one of {', '.join(map(str, options))}"
        case ValidationErrorKind.Constant(expected_value=expected):
            return f"must be {json.dumps(expected)}"
        case ValidationErrorKind.Format(format=name):
            return _FORMATS[name]
        case ValidationErrorKind.MinLength(limit=limit):
            return f"must have at least {limit} characters" if limit > 1 else "must not be empty"
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
            return _rule_beside_keyword(error)


def _rule_beside_keyword(error: ValidationError) -> str:
    """Return the `x-rule` beside a keyword, such as `pattern`, whose own value explains nothing to people."""
    uri, pointer = (error.absolute_keyword_location or "").split("#")
    node = _read(uri)
    for step in pointer.split("/")[1:-1]:
        node = node[int(step)] if isinstance(node, list) else node[step]
    rule: str = node["x-rule"]
    return rule
