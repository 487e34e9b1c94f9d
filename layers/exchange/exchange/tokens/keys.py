"""Versioned token keys, which only tokenize reads."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field
from functools import cache, cached_property

from exchange.errors import Misconfigured
from exchange.platform.secrets import read_json_secret
from exchange.platform.settings import Settings

LOCAL_KEY_VERSION = "1"


@dataclass(frozen=True)
class TokenKey:
    """One version of the key.

    `identifier_secret` is derived, so that no text given to the person profile makes the token of an identifier, or the
    other way round.
    """

    version: str
    secret: bytes = field(repr=False)

    @cached_property
    def identifier_secret(self) -> bytes:
        return hmac.digest(self.secret, b"exchange/identifier", hashlib.sha256)


def current_key(settings: Settings) -> TokenKey:
    """Return the key that new tokens are made with."""
    return every_key(settings)[0]


@cache
def every_key(settings: Settings) -> tuple[TokenKey, ...]:
    """Return every version that tokens may have been made with, the current one first.

    On AWS the secret is a JSON object `{"current": "2", "1": "…", "2": "…"}`: old versions must stay in it
    as long as rows have their tokens, or an erasure would miss these rows. Locally TOKENIZER_HMAC_SECRET is version 1.
    """
    if settings.is_local and not settings.tokenizer_secret_arn:
        return (TokenKey(LOCAL_KEY_VERSION, settings.require("tokenizer_hmac_secret").encode()),)
    secrets = dict(read_json_secret(settings.require("tokenizer_secret_arn")))
    current = secrets.pop("current", "")
    if not secrets.get(current):
        raise Misconfigured("TOKENIZER_SECRET_ARN names no current key")
    versions = sorted(secrets, key=lambda version: (version != current, version))
    return tuple(TokenKey(version, secrets[version].encode()) for version in versions if secrets[version])
