"""Invocation of this process's functions by name."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from sam_offline.arn import function_name_of
from sam_offline.errors import UnknownFunction
from sam_offline.execution.pool import Pool
from sam_offline.invocation.invocation import Answer


class Invoker:
    """The way from every API and event source to a function."""

    def __init__(self, pools: Mapping[str, Pool]) -> None:
        self._pools = pools

    def pool(self, reference: str) -> Pool:
        """Return the pool of a function given by name or ARN. Raises UnknownFunction."""
        name = function_name_of(reference)
        try:
            return self._pools[name]
        except KeyError as error:
            raise UnknownFunction(name) from error

    def invoke(
        self,
        reference: str,
        payload: bytes,
        *,
        client_context: str = "",
        wants_log_tail: bool = False,
        request_id: str = "",
    ) -> asyncio.Future[Answer]:
        """Invoke a function now. Raises FunctionThrottled or UnknownFunction."""
        return self.pool(reference).submit(
            payload, client_context=client_context, wants_log_tail=wants_log_tail, request_id=request_id
        )
