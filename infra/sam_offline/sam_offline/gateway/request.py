"""An HTTP request that has matched a route."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl

from sam_offline.http_server import Headers, Scope
from sam_offline.model import HttpRoute

# The headers that the gateway sets itself; its values contain the caller's already.
FORWARDING_HEADERS = {b"x-amzn-trace-id", b"x-forwarded-for", b"x-forwarded-port", b"x-forwarded-proto"}


@dataclass(frozen=True, slots=True)
class Request:
    """An HTTP request that has matched a route. The names in `headers` are in lower case."""

    method: str
    raw_path: str
    query: bytes
    headers: Headers
    header_names: list[bytes]
    body: bytes
    client_ip: str
    port: int
    route: HttpRoute
    path_parameters: Mapping[str, str] | None
    request_id: str
    time: float

    @classmethod
    def of(
        cls,
        scope: Scope,
        body: bytes,
        route: HttpRoute,
        path_parameters: Mapping[str, str] | None,
        request_id: str,
    ) -> Request:
        """Return the request of an ASGI scope and a body."""
        return cls(
            method=scope["method"],
            raw_path=scope["raw_path"].decode("latin-1"),
            query=scope["query_string"],
            headers=scope["headers"],
            header_names=scope["header_names"],
            body=body,
            client_ip=scope["client"][0],
            port=scope["server"][1],
            route=route,
            path_parameters=path_parameters,
            request_id=request_id,
            time=time.time(),
        )

    def header(self, name: bytes) -> str | None:
        """Return the last value of a header, by its name in lower case."""
        found = None
        for key, value in self.headers:
            if key == name:
                found = value
        return None if found is None else found.decode("latin-1")

    def query_parameter(self, name: str) -> str | None:
        """Return the last value of a query parameter."""
        pairs = parse_qsl(self.query.decode("latin-1"), keep_blank_values=True)
        return dict(pairs).get(name)

    @property
    def forwarding_headers(self) -> tuple[tuple[str, str], ...]:
        """Return the headers that the gateway adds: caller, port, protocol and trace."""
        before = self.header(b"x-forwarded-for")
        trace = self.header(b"x-amzn-trace-id")
        return (
            ("X-Amzn-Trace-Id", trace or f"Root=1-{int(self.time):08x}-{os.urandom(12).hex()}"),
            ("X-Forwarded-For", self.client_ip if before is None else f"{before}, {self.client_ip}"),
            ("X-Forwarded-Port", str(self.port)),
            ("X-Forwarded-Proto", "http"),
        )
