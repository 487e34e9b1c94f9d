from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from infra.embedded import BackgroundStack, StackConfig

ConfigMaker = Callable[..., StackConfig]


@pytest.fixture
def make_config(tmp_path: Path) -> ConfigMaker:
    """Return a function that makes a stack's configuration for this test: its folder by name, with free ports."""

    def make(name: str = "own", **changes: Any) -> StackConfig:
        ports = {"postgres_port": 0, "s3_port": 0, "kafka_port": 0}
        return StackConfig(tmp_path / name / "data", tmp_path / name / "logs", **(ports | changes))

    return make


@pytest.fixture
def family_of() -> Callable[[BackgroundStack], list[psutil.Process]]:
    """Return a function that finds every living process of a stack, including children of its services."""

    def find(stack: BackgroundStack) -> list[psutil.Process]:
        services = [psutil.Process(status.pid) for status in stack.status()]
        return [process for service in services for process in (service, *service.children(recursive=True))]

    return find
