"""A strict JSON parser that refuses every document with more than one meaning, and one canonical encoding."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from typing import NoReturn

from exchange.errors import InvalidRequest

MAX_DEPTH = 64

_NUL = "\x00"


def parse_json(data: bytes) -> object:
    """Read one JSON document that every reader would read the same way.

    Refused: text that is not UTF-8 or begins with a byte order mark, NaN and the infinities (1e999 too),
    an object with the same key twice, more than 64 levels, integers of thousands of digits, and strings with NUL
    (Postgres cannot store it) or half a surrogate pair (UTF-8 cannot encode it).

    Raises InvalidRequest, field "$", which says where or why and never quotes the document.
    """
    # Every refusal is raised `from None`: the causes hold the document, and no traceback may show it.
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _refusal(f"is not UTF-8 (byte {error.start})") from None
    try:
        value: object = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise _refusal(f"is not JSON (line {error.lineno}, column {error.colno})") from None
    except RecursionError:
        raise _refusal(f"is nested more than {MAX_DEPTH} levels deep") from None
    except ValueError:
        # int() takes at most 4,300 digits, since its time grows with the square of their number.
        raise _refusal("holds a number of too many digits") from None
    if data.count(b"{") + data.count(b"[") > MAX_DEPTH:
        _refuse_deep(value)
    if b"\\u" in data:
        # Only an escape can introduce NUL or a surrogate: the decoders above refuse unescaped ones.
        _refuse_unstorable_text(value)
    return value


def canonical_json(value: object) -> bytes:
    """Encode a value in its one canonical form: sorted keys, no whitespace, UTF-8, no NaN."""
    return _ENCODER.encode(value).encode()


def _refusal(message: str) -> InvalidRequest:
    return InvalidRequest(message, field="$")


def _object_of_unique_keys(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise _refusal("has an object with the same key twice")
    return members


def _finite(number: str) -> float:
    value = float(number)
    if math.isinf(value):
        raise _refusal("holds a number that is out of range")
    return value


def _refuse_constant(_: str) -> NoReturn:
    raise _refusal("holds NaN or Infinity, which are not JSON")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object_of_unique_keys, parse_float=_finite, parse_constant=_refuse_constant
)
_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":"))


def _refuse_deep(value: object) -> None:
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [child for parent in level for child in _children(parent) if isinstance(child, dict | list)]
        if not level:
            return
    raise _refusal(f"is nested more than {MAX_DEPTH} levels deep")


def _refuse_unstorable_text(value: object) -> None:
    waiting = [value]
    while waiting:
        node = waiting.pop()
        if isinstance(node, str):
            if _NUL in node:
                raise _refusal("holds a NUL character")
            try:
                node.encode("utf-8")
            except UnicodeEncodeError:
                raise _refusal("holds half a surrogate pair") from None
        elif isinstance(node, dict):
            waiting += node
            waiting += node.values()
        elif isinstance(node, list):
            waiting += node


def _children(node: object) -> Iterable[object]:
    if isinstance(node, dict):
        return node.values()
    return node if isinstance(node, list) else ()
