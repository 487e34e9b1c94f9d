"""Which process runs the system of a data folder."""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

import psutil

POLL_SECONDS = 0.05
# A look at the lock holds it for an instant; whoever means it tries again for this long.
PATIENCE_SECONDS = 0.5


class Held(Exception):
    """Another process runs the system of this data folder."""

    def __init__(self, holder: Holder) -> None:
        super().__init__(f"held by {holder}")
        self.holder = holder


@dataclass(frozen=True)
class Holder:
    """A process by pid and start time, since pids are used again."""

    pid: int
    started_at: float

    @classmethod
    def this_process(cls) -> Self:
        return cls(os.getpid(), psutil.Process().create_time())

    def __str__(self) -> str:
        return (
            f"process {self.pid}, since {datetime.fromtimestamp(self.started_at, UTC):%Y-%m-%d %H:%M:%S} UTC"
        )

    @property
    def is_alive(self) -> bool:
        return self._process() is not None

    def terminate(self) -> None:
        """Ask it to stop in order, as Ctrl-C does."""
        process = self._process()
        if process is not None:
            process.terminate()

    def wait_gone(self, timeout_seconds: float) -> bool:
        """Whether it was gone within that time."""
        deadline = time.monotonic() + timeout_seconds
        while self.is_alive:
            if time.monotonic() > deadline:
                return False
            time.sleep(POLL_SECONDS)
        return True

    def _process(self) -> psutil.Process | None:
        try:
            process = psutil.Process(self.pid)
            same = abs(process.create_time() - self.started_at) < 1
            return process if same and process.status() != psutil.STATUS_ZOMBIE else None
        except psutil.NoSuchProcess:
            return None


@contextmanager
def hold(data_dir: Path) -> Iterator[None]:
    """Be the one process that runs the system of `data_dir`. Raises Held.

    The kernel lets go of the lock when the process dies, however it dies.
    """
    descriptor = _open(data_dir)
    try:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not _lock(descriptor, fcntl.LOCK_EX):
            holder = _read(descriptor)
            if holder is not None and time.monotonic() > deadline:
                raise Held(holder)
            time.sleep(POLL_SECONDS)
        mine = Holder.this_process()
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps({"pid": mine.pid, "started_at": mine.started_at}).encode(), 0)
        yield
    finally:
        os.close(descriptor)


def find_holder(data_dir: Path) -> Holder | None:
    """The process that runs the system of `data_dir`, None when there is none."""
    if not (data_dir / "holder").exists():
        return None
    descriptor = _open(data_dir)
    try:
        while not _lock(descriptor, fcntl.LOCK_SH):
            holder = _read(descriptor)
            if holder is not None:
                return holder
            time.sleep(POLL_SECONDS)
        return None
    finally:
        os.close(descriptor)


def _open(data_dir: Path) -> int:
    data_dir.mkdir(parents=True, exist_ok=True)
    return os.open(data_dir / "holder", os.O_RDWR | os.O_CREAT, 0o600)


def _lock(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _read(descriptor: int) -> Holder | None:
    """Who holds the lock, None for an instant: whoever has just taken it writes next."""
    written = os.pread(descriptor, 200, 0)
    return Holder(**json.loads(written)) if written else None
