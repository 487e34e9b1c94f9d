"""An operating-system process of a function, with everything that it starts."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import cast


class FunctionProcess(asyncio.SubprocessProtocol):
    """A process that starts once and ends once.

    `on_line` gets each line that it prints; `on_exit` gets how it ended, after the last line.
    """

    def __init__(self, on_line: Callable[[str], None], on_exit: Callable[[str], None]) -> None:
        self._on_line = on_line
        self._on_exit = on_exit
        self._transport: asyncio.SubprocessTransport | None = None
        self._partial_line = b""
        self._gone = asyncio.get_running_loop().create_future()

    @property
    def pid(self) -> int | None:
        return None if self._transport is None else self._transport.get_pid()

    @property
    def ended(self) -> bool:
        return self._gone.done()

    async def start(self, command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> None:
        """Start the process. Raises OSError; `on_exit` is not called then."""
        try:
            # Fork from the loop's own thread: the parent-death signal follows the thread that forked.
            await asyncio.get_running_loop().subprocess_exec(
                lambda: self,
                *command,
                stdin=None,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                cwd=str(folder),
                env=dict(environment),
                start_new_session=True,
            )
        except OSError:
            self._gone.set_result(None)
            raise

    def kill(self) -> None:
        """Kill the process and everything that it has started."""
        if not self.ended:
            self._kill_group()

    async def wait_gone(self) -> None:
        await self._gone

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # A cast, not a check: uvloop's transports do not derive from asyncio's.
        self._transport = cast(asyncio.SubprocessTransport, transport)

    def pipe_data_received(self, fd: int, data: bytes | str) -> None:
        *lines, self._partial_line = (self._partial_line + cast(bytes, data)).split(b"\n")
        for line in lines:
            self._on_line(line.decode("utf-8", "replace"))

    def process_exited(self) -> None:
        # One turn later, so that the last lines in the pipe are read before the end is reported.
        asyncio.get_running_loop().call_soon(self._exited)

    def _exited(self) -> None:
        if self.ended:
            return
        self._gone.set_result(None)
        if self._partial_line:
            self.pipe_data_received(1, b"\n")
        self._kill_group()
        code = None if self._transport is None else self._transport.get_returncode()
        if code is not None and code < 0:
            self._on_exit(f"signal: {signal.Signals(-code).name}")
        else:
            self._on_exit(f"exit status {code}")

    def _kill_group(self) -> None:
        pid = self.pid
        if pid is None:
            return
        try:
            os.killpg(pid, signal.SIGKILL)
        except ProcessLookupError:
            return
