"""CORS of an HTTP API: the answer to a preflight, and the headers on functions' answers.

https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-cors.html
"""

from __future__ import annotations

from fnmatch import fnmatchcase

from sam_offline.http_server import Headers
from sam_offline.model import Cors

_PREFIX = b"access-control-"


class CorsPolicy:
    """The CORS headers, made once; a request only checks its origin."""

    def __init__(self, cors: Cors) -> None:
        self._origins = cors.allow_origins
        self._always: Headers = []
        if cors.allow_credentials:
            self._always.append((b"access-control-allow-credentials", b"true"))
        self._answer = _lists((b"access-control-expose-headers", cors.expose_headers))
        self._preflight = _lists(
            (b"access-control-allow-methods", cors.allow_methods),
            (b"access-control-allow-headers", cors.allow_headers),
        )
        if cors.max_age_seconds is not None:
            self._preflight.append((b"access-control-max-age", str(cors.max_age_seconds).encode()))

    def preflight(self, origin: str | None) -> Headers:
        """Return the headers of the answer to a preflight, or none if the origin is not allowed."""
        allowed = self._allowed(origin)
        return [*allowed, *self._preflight] if allowed else []

    def apply(self, origin: str | None, headers: Headers) -> Headers:
        """Return an answer's headers with the CORS headers of the policy in place of the function's."""
        own = [header for header in headers if not header[0].startswith(_PREFIX)]
        allowed = self._allowed(origin)
        return [*own, *allowed, *self._answer] if allowed else own

    def _allowed(self, origin: str | None) -> Headers:
        if origin is None:
            return []
        for pattern in self._origins:
            # An origin, `*`, or `https://*` and `http://*`
            if pattern == "*" or fnmatchcase(origin, pattern):
                value = b"*" if pattern == "*" else origin.encode("latin-1")
                return [(b"access-control-allow-origin", value), *self._always]
        return []


def _lists(*pairs: tuple[bytes, tuple[str, ...]]) -> Headers:
    return [(name, ",".join(values).encode("latin-1")) for name, values in pairs if values]
