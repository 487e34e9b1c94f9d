from __future__ import annotations

from infra.cli.demo.bad_requests import GOOD_BODY, list_bad_requests


def test_there_are_twenty_different_bad_requests_and_none_deserves_a_5xx() -> None:
    bad_requests = list_bad_requests("s" * 48)
    assert len({bad.kind for bad in bad_requests}) == len(bad_requests) == 20
    assert all(400 <= bad.status < 500 for bad in bad_requests)


def test_what_the_bad_requests_are_made_from_is_itself_good() -> None:
    from exchange.platform.contracts import contract

    contract("api/schemas/ingest.v1").validate(dict(GOOD_BODY))
