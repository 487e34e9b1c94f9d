"""The last line of a handler that no HTTP answer stands behind."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from exchange.errors import ExchangeError, RequestRefused
from exchange.platform.log import describe_exception, logger

Handler = Callable[[Any, LambdaContext], Any]


class InvocationFailed(Exception):
    """What the Lambda runtime may print of a fault: the type of the cause, and nothing it said."""


class InvocationRefused(InvocationFailed):
    """The event itself is at fault: sent again, it is refused again."""


def contain_faults(service: str) -> Callable[[Handler], Handler]:
    """Fail the invoke without the fault's text: the runtime prints the message of whatever leaves a handler.

    Our own errors keep their messages, which are written for strangers.
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
