"""`exchange logs` while the log's small files fill up and rotate."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

from sam_offline.log_files import Journal


def test_what_is_followed_goes_on_across_files_that_are_full(tmp_path: Path) -> None:
    # Six lines fill either file, together with the lines that it has already.
    second, third = [f"second-{number}" for number in range(6)], [f"third-{number}" for number in range(6)]
    command = [sys.executable, "-m", "infra.cli.main", "logs", "ingest", "--data-dir", str(tmp_path)]

    async def scenario() -> list[str]:
        journal = Journal(tmp_path / "logs", None, maximum_bytes=200)

        def write(*lines: str) -> None:
            for line in lines:
                journal.record("IngestFunction", "", line)
            journal.flush()

        write("first")
        with subprocess.Popen([*command, "-f"], stdout=subprocess.PIPE, text=True) as following:
            assert following.stdout is not None
            try:
                lines = [following.stdout.readline()]
                # Two files fill up within one poll: the one that is being read has been removed by then.
                write(*second)
                write(*third)
                write("last")
                for _ in range(13):
                    lines.append(await asyncio.wait_for(asyncio.to_thread(following.stdout.readline), 60))
            finally:
                following.terminate()
        journal.close()
        return lines

    assert texts("".join(asyncio.run(scenario()))) == ["first", *second, *third, "last"]
    # The lines in the files that are left.
    left = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    assert texts(left.stdout) == [*third, "last"]


def texts(output: str) -> list[str]:
    return [line.split("\t")[2] for line in output.splitlines()]
