"""A redrive continues page by page until no letter waits, or all waiting ones are locked."""

from __future__ import annotations

from typing import Any

import pytest

from infra.cli.commands.dead_letters import redrive_in_pages

FOUND: dict[str, Any] = {"as_of": "2026-11-24T12:00:00+00:00", "remaining": 3}


@pytest.mark.parametrize(
    ("taken", "redriven", "remaining"),
    [
        ([[1], [2], [3]], [1, 2, 3], 0),
        # the first letter of a page is locked for a moment
        ([[], [1], [], [], [2], [3]], [1, 2, 3], 0),
        ([[1], [], [], []], [1], 2),
    ],
)
def test_a_page_that_takes_nothing_is_not_yet_the_end(
    taken: list[list[int]], redriven: list[int], remaining: int
) -> None:
    pages = iter(taken)
    left = FOUND["remaining"]

    def ask(event: dict[str, Any]) -> dict[str, Any]:
        nonlocal left
        page = next(pages)
        left -= len(page)
        return {"redriven": page, "refused": [], "remaining": left}

    report = redrive_in_pages(ask, {"action": "redrive", "all": True}, FOUND, 1000.0)
    assert report == {"redriven": redriven, "refused": [], "remaining": remaining}
    assert next(pages, None) is None


def test_a_redrive_that_is_interrupted_says_how_far_it_came(capsys: pytest.CaptureFixture[str]) -> None:
    pages = iter([{"redriven": [1, 2], "refused": [], "remaining": 1}])

    def ask(_: dict[str, Any]) -> dict[str, Any]:
        page = next(pages, None)
        if page is None:
            raise KeyboardInterrupt
        return page

    with pytest.raises(KeyboardInterrupt):
        redrive_in_pages(ask, {}, FOUND, 1000.0)
    assert capsys.readouterr().err == "2 of 3 sent again\n"
