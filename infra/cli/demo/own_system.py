"""The demo's own exchange: it runs beside any other and is gone afterwards."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from infra.system.addresses import Addresses
from infra.system.background import BackgroundSystem

# The first start downloads and builds the functions' layers.
START_TIMEOUT_SECONDS = 300.0


@contextmanager
def own_system(
    parent: Path, *, broker_storage: str, keep: bool, build_dir: Path | None
) -> Iterator[tuple[Addresses, Path]]:
    """Run an exchange in a process of its own on a new folder in `parent`. Raises StartFailed.

    `keep` keeps the folder with its data and logs, not the process.
    """
    parent.mkdir(parents=True, exist_ok=True)
    data_dir = Path(tempfile.mkdtemp(prefix="demo-", dir=parent))
    options = ["--any-ports", f"--broker-storage={broker_storage}"]
    if build_dir is not None:
        options.append(f"--build-dir={build_dir}")
    system: BackgroundSystem | None = None
    try:
        system = BackgroundSystem(data_dir, options, dies_with_us=True)
        yield system.wait_ready(START_TIMEOUT_SECONDS), data_dir
    finally:
        if system is not None:
            system.stop()
        if not keep:
            shutil.rmtree(data_dir, ignore_errors=True)
