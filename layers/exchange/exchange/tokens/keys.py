"""Token keys: versioned, read by tokenize alone."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field
from functools import cache

from exchange.errors import Misconfigured
from exchange.platform.secrets import read_json_secret
from exchange.platform.settings import Settings

LOCAL_KEY_VERSION = "1"


@dataclass(frozen=True)
class TokenKey:
    """One version of the key. `identifier_secret` is derived: no text a caller can hand to the person profile
    makes a token that an identifier has, or the other way round."""

    version: str
    secret: bytes = field(repr=False)

    @property
    def identifier_secret(self) -> bytes:
        return hmac.digest(self.secret, b"exchange/identifier", hashlib.sha256)


@cache
def current_key(settings: Settings) -> TokenKey:
    """The key that new tokens are made with.

    On AWS the secret is a JSON object `{"current": "2", "1": "…", "2": "…"}`: old versions stay readable for
    whoever has to link old rows. Locally it is TOKENIZER_HMAC_SECRET, version 1.
    """
    if settings.is_local and not settings.tokenizer_secret_arn:
        return TokenKey(LOCAL_KEY_VERSION, settings.require("tokenizer_hmac_secret").encode())
    secrets = read_json_secret(settings.require("tokenizer_secret_arn"))
    version = secrets.get("current", "")
    if not secrets.get(version) or version == "current":
        raise Misconfigured("TOKENIZER_SECRET_ARN names no current key")
    return TokenKey(version, secrets[version].encode())
