from __future__ import annotations

from datetime import timedelta

import pytest

from infra.cli.times import read_duration


@pytest.mark.parametrize(
    ("text", "duration"),
    [
        ("90s", timedelta(seconds=90)),
        ("15m", timedelta(minutes=15)),
        ("-1h", timedelta(hours=-1)),
        ("7d", timedelta(days=7)),
    ],
)
def test_a_duration_is_a_number_and_its_unit(text: str, duration: timedelta) -> None:
    assert read_duration(text) == duration


@pytest.mark.parametrize("text", ["1", "h", "1w", "1.5h", "", "99999999d", "-36526d", "9" * 5_000 + "d"])
def test_nothing_else_is_a_duration(text: str) -> None:
    assert read_duration(text) is None
