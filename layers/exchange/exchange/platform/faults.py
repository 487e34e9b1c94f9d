"""Containment of faults in handlers that are invoked directly or by an event source."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from exchange.errors import ExchangeError, RequestRefused
from exchange.platform.log import describe_exception, logger

Handler = Callable[[Any, LambdaContext], Any]


class InvocationFailed(Exception):
    """A fault as the Lambda runtime may print it: by the type of its cause, without the cause's text."""


class InvocationRefused(InvocationFailed):
    """The event itself is at fault; if it is sent again, it is refused again."""


def contain_faults(service: str) -> Callable[[Handler], Handler]:
    """Decorate a handler so that a fault's text does not leave it: the runtime prints the message of what it raises.

    The exchange's own errors keep their messages, which may be shown to anyone.
    """

    def decorate(handler: Handler) -> Handler:
        @wraps(handler)
        def contained(event: Any, context: LambdaContext) -> Any:
            try:
                return handler(event, context)
            except Exception as error:  # noqa: BLE001 - the runtime stands behind us and prints texts
                logger(service).error(
                    "invocation failed", extra=describe_exception(error, request_id=context.aws_request_id)
                )
                message = str(error) if isinstance(error, ExchangeError) else type(error).__name__
                failed = InvocationRefused if isinstance(error, RequestRefused) else InvocationFailed
                raise failed(message) from None

        return contained

    return decorate
