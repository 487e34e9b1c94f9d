"""The lock of a data folder: one process at a time runs its system, and every other one can tell which."""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

import psutil

from infra.embedded.process_reference import TICKS_PER_SECOND, ProcessReference, started_ticks

POLL_SECONDS = 0.05
# `find_holder` holds the lock for an instant, so `hold` tries again for this long.
PATIENCE_SECONDS = 0.5


class Held(Exception):
    """Another process runs the system of this data folder."""

    def __init__(self, holder: Holder) -> None:
        super().__init__(f"held by {holder}")
        self.holder = holder


@dataclass(frozen=True)
class Holder(ProcessReference):
    """The process that runs the system of a data folder."""

    @classmethod
    def this_process(cls) -> Self:
        """Return the holder that this process would be."""
        ticks = started_ticks(os.getpid())
        assert ticks is not None  # noqa: S101 - this process lives
        return cls(os.getpid(), ticks)

    def __str__(self) -> str:
        return f"process {self.pid}, since {self.started_at:%Y-%m-%d %H:%M:%S} UTC"

    def terminate(self) -> None:
        """Ask it to stop in order, as Ctrl-C does."""
        process = self.find()
        if process is not None:
            process.terminate()

    def wait_gone(self, timeout_seconds: float) -> bool:
        """Wait for its end. Returns whether it came within that time."""
        deadline = time.monotonic() + timeout_seconds
        while self.is_alive:
            if time.monotonic() > deadline:
                return False
            time.sleep(POLL_SECONDS)
        return True


@contextmanager
def hold(data_dir: Path) -> Iterator[None]:
    """Hold the lock of `data_dir`, as the one process that runs its system. Raises Held.

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
        os.pwrite(descriptor, json.dumps(asdict(mine)).encode(), 0)
        yield
    finally:
        os.close(descriptor)


def find_holder(data_dir: Path) -> Holder | None:
    """Return the process that runs the system of `data_dir`, or None if none does."""
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
    """Return the holder, or None for the instant between taking the lock and writing into it."""
    written = os.pread(descriptor, 200, 0)
    if not written:
        return None
    holder = json.loads(written)
    if "started_at" in holder:
        # The first release wrote the time of day, which psutil had computed from the ticks.
        ticks = (holder["started_at"] - psutil.boot_time()) * TICKS_PER_SECOND
        return Holder(holder["pid"], round(ticks))
    return Holder(**holder)
