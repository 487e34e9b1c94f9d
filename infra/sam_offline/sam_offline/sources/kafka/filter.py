"""The filter criteria of a Kafka source.

https://docs.aws.amazon.com/lambda/latest/dg/kafka-filtering.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sam_offline.sources.kafka.event import TIMESTAMP_TYPES, KafkaRecord
from sam_offline.template.event_pattern import Matcher, Number, compile_pattern, parse_json, read_filters

_DATA = ("value", "key")


class KafkaFilter:
    """A filter that wants the records that match at least one of its patterns."""

    def __init__(self, patterns: Sequence[str]) -> None:
        """Compile the patterns. Raises TemplateError for one that AWS would refuse."""
        self._patterns = [_Pattern(fields) for fields in read_filters(patterns)]

    def wants(self, record: KafkaRecord) -> bool:
        return any(pattern.matches(record) for pattern in self._patterns)


class _Pattern:
    def __init__(self, fields: Mapping[str, Any]) -> None:
        self._metadata = _compile({name: rule for name, rule in fields.items() if name not in _DATA})
        self._data = {name: (rule, _compile({name: rule})) for name, rule in fields.items() if name in _DATA}

    def matches(self, record: KafkaRecord) -> bool:
        if self._metadata is not None and not self._metadata(_metadata_of(record)):
            return False
        return all(
            _matches_data(name, rule, matcher, record.value if name == "value" else record.key)
            for name, (rule, matcher) in self._data.items()
        )


def _compile(fields: Mapping[str, Any]) -> Matcher | None:
    return compile_pattern(dict(fields)) if fields else None


def _matches_data(name: str, rule: Any, matcher: Matcher | None, data: bytes | None) -> bool:
    """Return whether a key or value matches its part of a pattern.

    They are compared if both are JSON or both are plain text. Otherwise, and for data that is not UTF-8, Lambda looks
    at the metadata only, so the record passes.
    """
    if matcher is None:
        return True
    if data is None:
        return matcher({})
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return True
    try:
        parsed, is_json = parse_json(text), True
    except ValueError:
        parsed, is_json = text, False
    # A number, a string or null alone is JSON too, but a producer who wrote `7` wrote plain text.
    is_json = is_json and isinstance(parsed, dict | list)
    if is_json != isinstance(rule, dict):
        return True
    return matcher({name: parsed if is_json else text})


def _metadata_of(record: KafkaRecord) -> dict[str, Any]:
    return {
        "topic": record.topic,
        "partition": Number(record.partition),
        "offset": Number(record.offset),
        "timestamp": Number(record.timestamp),
        "timestampType": TIMESTAMP_TYPES.get(record.timestamp_type, "NO_TIMESTAMP_TYPE"),
    }
