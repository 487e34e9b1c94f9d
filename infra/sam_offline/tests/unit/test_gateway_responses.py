from __future__ import annotations

import pytest

from sam_offline.gateway.rest.responses import NO_ROUTE, GatewayResponses
from sam_offline.model import Api, GatewayResponse


@pytest.mark.parametrize(
    ("path", "shown"), [("/live/a", b"/live/a"), ("/live/a\r\nset-cookie: a=b", None), ("/live/\u20ac", None)]
)
def test_a_header_with_what_http_cannot_carry_is_left_out(path: str, shown: bytes | None) -> None:
    declared = GatewayResponse(None, {"X-Path": "context.path", "X-Always": "'yes'"}, {})
    responses = GatewayResponses(Api("A", "live", (), gateway_responses={NO_ROUTE.response_type: declared}))
    response = responses.answer(NO_ROUTE, {"path": path}, [])
    headers = dict(response.headers)
    assert headers.get(b"x-path") == shown
    assert headers[b"x-always"] == b"yes"
    assert response.status == 403
