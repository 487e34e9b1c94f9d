"""Structured logs that cannot leak record data.

A log line is a constant message with keys from ALLOWED_KEYS. An exception is logged by its type and the frames it
passed, never by its text: a driver's text quotes rows, a parser's quotes the document.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.logging.formatter import LambdaPowertoolsFormatter

from exchange.errors import ExchangeError

# fmt: off
ALLOWED_KEYS = frozenset({
    "level", "message", "timestamp", "service", "request_id", "correlation_id", "record_id", "event_id",
    "partner_id", "route", "method", "status", "code", "stage", "topic", "partition",
    "offset", "batch_size", "canonical", "dead_letters", "retried", "published", "failed", "pruned",
    "backlog", "oldest_age_seconds", "redriven", "refused", "erasure_id", "erased", "error_type",
    "frames", "function", "reason",
})
# fmt: on


def only_allowed(line: Mapping[str, Any]) -> dict[str, Any]:
    """Return the keys of a line that may be logged."""
    return {key: value for key, value in line.items() if key in ALLOWED_KEYS}


class _AllowListFormatter(LambdaPowertoolsFormatter):
    def serialize(self, log: Any) -> str:
        return super().serialize(only_allowed(log))


@cache
def logger(service: str) -> Logger:
    """Return the logger of one function; silence the frameworks that would print exception texts."""
    for chatty in ("kafka", "botocore", "urllib3", "chalice", "ingest", "tokenize"):
        logging.getLogger(chatty).setLevel(logging.CRITICAL + 1)
    # A line shows no source location, thread or process, so they are not looked up either:
    # https://docs.python.org/3/howto/logging.html#optimization
    logging._srcfile = None
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    return Logger(
        service=service,
        # a message is a sentence; parsing it as JSON would always fail
        logger_formatter=_AllowListFormatter(utc=True, json_deserializer=str, location=None),
        level="INFO",
        name=f"exchange.{service}",
    )


def describe_exception(error: BaseException, **keys: object) -> dict[str, object]:
    """Return the keys that describe an exception, beside `keys`: the types along its chain, and file:line:function."""
    types: list[str] = []
    link: BaseException | None = error
    while link is not None:
        types.append(type(link).__name__)
        link = link.__cause__ or link.__context__
    frames = [
        f"{Path(frame.filename).name}:{frame.lineno}:{frame.name}"
        for frame in traceback.extract_tb(error.__traceback__)
    ]
    # Our own messages are written for strangers: they name settings, fields and rules, never values.
    reason = {"reason": str(error)} if isinstance(error, ExchangeError) else {}
    return {**keys, **reason, "error_type": " <- ".join(types), "frames": frames}
