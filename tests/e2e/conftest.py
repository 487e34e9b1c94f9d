from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.e2e.running_system import RunningSystem


@pytest.fixture(scope="session")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSystem]:
    """Yield one running exchange for all tests that do not stop or damage it."""
    # Imported late: a conftest is loaded before the filter for kafka-python's deprecation warnings is set.
    from tests.e2e.running_system import RunningSystem

    running = RunningSystem(tmp_path_factory.mktemp("exchange"))
    yield running
    running.stop()
