from __future__ import annotations

import asyncio
from pathlib import Path

from sam_offline.log_files import FunctionLog, Journal


def write(journal: Journal, *lines: str) -> None:
    for line in lines:
        journal.record("F", "", line)
    journal.flush()


def texts(path: Path) -> list[str]:
    return [line.split("\t")[2] for line in path.read_text().splitlines()]


def test_a_function_that_has_printed_nothing_has_a_log_all_the_same(tmp_path: Path) -> None:
    async def scenario() -> None:
        journal = Journal(tmp_path, None)
        FunctionLog(journal, "F", lambda name, line: False)
        assert texts(tmp_path / "F.log") == []
        write(journal, "a")
        FunctionLog(journal, "F", lambda name, line: False)
        write(journal, "b")
        journal.close()
        assert texts(tmp_path / "F.log") == ["a", "b"]

    asyncio.run(scenario())


def test_a_log_that_is_full_is_kept_beside_the_new_one_and_the_one_before_goes(tmp_path: Path) -> None:
    async def scenario() -> None:
        journal = Journal(tmp_path, None, maximum_bytes=100)
        write(journal, "a", "b")
        write(journal, "c", "d")
        assert texts(tmp_path / "F.log.1") == ["a", "b", "c", "d"]
        assert texts(tmp_path / "F.log") == []
        write(journal, "e", "f", "g", "h")
        write(journal, "i")
        journal.close()
        assert texts(tmp_path / "F.log.1") == ["e", "f", "g", "h"]
        assert texts(tmp_path / "F.log") == ["i"]

    asyncio.run(scenario())


def test_a_log_that_was_removed_or_begun_anew_by_another_loses_nothing_of_the_new_one(tmp_path: Path) -> None:
    async def scenario() -> None:
        journal = Journal(tmp_path, None, maximum_bytes=100)
        write(journal, "a")
        (tmp_path / "F.log").unlink()
        write(journal, "b", "c", "d")
        write(journal, "e")
        (tmp_path / "F.log").rename(tmp_path / "F.log.1")
        (tmp_path / "F.log").write_text("another's\n")
        write(journal, "f", "g", "h")
        journal.close()
        assert texts(tmp_path / "F.log.1") == ["e", "f", "g", "h"]
        assert (tmp_path / "F.log").read_text() == "another's\n"

    asyncio.run(scenario())
