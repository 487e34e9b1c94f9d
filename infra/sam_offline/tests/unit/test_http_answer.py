from __future__ import annotations

from sam_offline.gateway.http.answer import read_http_answer


def test_text_that_utf8_cannot_carry_is_answered_all_the_same() -> None:
    assert read_http_answer(b'"one \\ud800"', "2.0").body == b"one ?"
