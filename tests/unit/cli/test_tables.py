"""The tables of the recovery commands never cut a value that operators copy, on 80 columns or in a pipe."""

from __future__ import annotations

from io import StringIO

import pytest
from rich.console import Console

from infra.cli.commands.dead_letters import _shown
from infra.cli.screen.tables import console, moment, table

RECORD_ID = "5573a23f-05d6-4b02-9aff-4998ee4f6ac3"
SENTENCE = "payload.admit_time: must be YYYY-MM-DD hh:mm, from 1900 to 2099"
HEADS = ("dead letter", "reason", "record", "stage", "failed at", "error message")
ROW = ("1234", "184ab8e3", RECORD_ID, "normalize", "2026-11-24T12:00:00Z", SENTENCE)


def on_80_columns(columns: tuple[str, ...], *rows: tuple[object, ...]) -> str:
    screen = Console(width=80, soft_wrap=True, highlight=False, file=StringIO())
    screen.print(table(columns, rows))
    assert isinstance(screen.file, StringIO)
    return screen.file.getvalue()


def test_a_terminal_that_is_too_narrow_cuts_no_number_and_no_id() -> None:
    shown = on_80_columns(HEADS, ROW)
    assert [value for value in (*HEADS, *ROW[:-1]) if value not in shown] == []
    assert "…" not in shown


def test_a_sentence_is_folded_and_whole() -> None:
    words = on_80_columns(HEADS, ROW).split()
    assert [word for word in SENTENCE.split() if word not in words] == []


def test_where_no_terminal_is_a_row_is_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    console().print(table(HEADS, [ROW]))
    heads, row = capsys.readouterr().out.splitlines()
    assert heads.split("  ")[0] == "dead letter"
    assert [value for value in ROW if value not in row] == []


def test_names_and_values_have_no_empty_head_above_them() -> None:
    assert on_80_columns(("", ""), ("state", "dead")).splitlines()[0].split() == ["state", "dead"]


def test_a_dead_letters_number_is_shown_as_it_is_typed_again() -> None:
    assert _shown("dead_letter_id", 1234) == "1234"


def test_times_are_told_to_the_second_in_utc() -> None:
    assert moment("2026-11-24T13:00:00.123456+01:00") == "2026-11-24T12:00:00Z"
    assert moment(None) is None
