"""Lambda authorizers: the question whether a request may go on, and a cache of the answers.

https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-use-lambda-authorizer.html
https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-lambda-authorizer.html
"""

from __future__ import annotations

import asyncio
import json
import re
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from sam_offline.errors import FunctionThrottled, FunctionUnreachable
from sam_offline.execution.invoker import Invoker
from sam_offline.gateway.policies import Effect, MalformedPolicy, evaluate
from sam_offline.model import Authorizer, IdentitySource

# https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-quotas.html
_TIMEOUT_SECONDS = 10.0
_CACHED_VERDICTS = 10_000


class Refusal(Enum):
    """The reason why a request is refused; each kind of API has its own answer to it."""

    UNAUTHENTICATED = auto()
    DENIED = auto()
    DENIED_EXPLICITLY = auto()
    FAILED = auto()
    MALFORMED = auto()


class NotAuthorized(Exception):
    """The request may not reach its function."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.name)
        self.refusal = refusal


@dataclass(frozen=True, slots=True)
class Credentials:
    """The identity of a caller; `read` returns the value of an identity source, or None."""

    method_arn: str
    source_ip: str
    read: Callable[[IdentitySource], str | None]


class LambdaAuthorizer:
    """An authorizer of an API, with its cache."""

    def __init__(self, authorizer: Authorizer, invoker: Invoker) -> None:
        self.authorizer = authorizer
        self._invoker = invoker
        self._token = None if authorizer.token_pattern is None else re.compile(authorizer.token_pattern)
        self._verdicts: OrderedDict[tuple[str, ...], tuple[float, Mapping[str, Any]]] = OrderedDict()
        self._loop = asyncio.get_running_loop()

    async def authorize(
        self, credentials: Credentials, make_event: Callable[[tuple[str, ...]], dict[str, Any]]
    ) -> Mapping[str, Any]:
        """Return the authorizer's answer if it lets the request through. Raises NotAuthorized.

        `make_event` makes the authorizer's event from the identities; it is called only if no answer is cached.
        """
        identities = self._identities(credentials)
        verdict = self._cached(identities)
        if verdict is None:
            verdict = await self._ask(make_event(identities))
            self._require_allowed(verdict, credentials, remembers=identities)
        else:
            self._require_allowed(verdict, credentials)
        return verdict

    def _identities(self, credentials: Credentials) -> tuple[str, ...]:
        # "If a specified identify source is missing, null, or empty, API Gateway returns a 401 Unauthorized
        # response without calling the authorizer Lambda function."
        # https://docs.aws.amazon.com/apigateway/latest/developerguide/configure-api-gateway-lambda-authorization.html
        identities = []
        for source in self.authorizer.identity_sources:
            value = credentials.read(source)
            if not value:
                raise NotAuthorized(Refusal.UNAUTHENTICATED)
            identities.append(value)
        if self._token is not None and self._token.match(identities[0]) is None:
            raise NotAuthorized(Refusal.UNAUTHENTICATED)
        return tuple(identities)

    def _cached(self, identities: tuple[str, ...]) -> Mapping[str, Any] | None:
        found = self._verdicts.get(identities)
        if found is None:
            return None
        expires_at, verdict = found
        if self._loop.time() >= expires_at:
            del self._verdicts[identities]
            return None
        return verdict

    async def _ask(self, event: dict[str, Any]) -> Mapping[str, Any]:
        try:
            future = self._invoker.invoke(self.authorizer.function_name, json.dumps(event).encode())
        except (FunctionThrottled, FunctionUnreachable) as error:
            raise NotAuthorized(Refusal.FAILED) from error
        await asyncio.wait((future,), timeout=_TIMEOUT_SECONDS)
        if not future.done():
            raise NotAuthorized(Refusal.FAILED)
        answer = future.result()
        if answer.error_type is not None:
            # The message is the contract here: a function that fails with this very word means 401.
            # https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-use-lambda-authorizer.html
            failed = _object(answer.payload).get("errorMessage") != "Unauthorized"
            raise NotAuthorized(Refusal.FAILED if failed else Refusal.UNAUTHENTICATED)
        return _object(answer.payload)

    def _require_allowed(
        self,
        verdict: Mapping[str, Any],
        credentials: Credentials,
        *,
        remembers: tuple[str, ...] = (),
    ) -> None:
        """Raise NotAuthorized unless `verdict` allows this method.

        A well-formed verdict is cached, a refusal too. The cache holds the policy, which is evaluated for each
        method.
        """
        if not isinstance(verdict.get("context") or {}, Mapping):
            raise NotAuthorized(Refusal.MALFORMED)
        if self.authorizer.simple_responses:
            allowed = verdict.get("isAuthorized")
            if not isinstance(allowed, bool):
                raise NotAuthorized(Refusal.MALFORMED)
            effect = Effect.ALLOW if allowed else Effect.NONE
        else:
            policy = verdict.get("policyDocument")
            # "If the Lambda function does not return that information, the call fails."
            if self.authorizer.payload_version == "1.0" and not isinstance(verdict.get("principalId"), str):
                raise NotAuthorized(Refusal.MALFORMED)
            try:
                effect = evaluate(policy, credentials.method_arn, credentials.source_ip)
            except MalformedPolicy as error:
                raise NotAuthorized(Refusal.MALFORMED) from error
        if remembers and self.authorizer.ttl_seconds > 0:
            self._verdicts[remembers] = (self._loop.time() + self.authorizer.ttl_seconds, verdict)
            if len(self._verdicts) > _CACHED_VERDICTS:
                self._verdicts.popitem(last=False)
        if effect is Effect.DENY:
            raise NotAuthorized(Refusal.DENIED_EXPLICITLY)
        if effect is Effect.NONE:
            raise NotAuthorized(Refusal.DENIED)


def _object(payload: bytes) -> Mapping[str, Any]:
    """Return an answer that must be a JSON object."""
    try:
        answer = json.loads(payload)
    except ValueError as error:
        raise NotAuthorized(Refusal.MALFORMED) from error
    if not isinstance(answer, Mapping):
        raise NotAuthorized(Refusal.MALFORMED)
    return answer
