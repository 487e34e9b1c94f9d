from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.chaos.experiment import Experiment, Outcome
    from tests.chaos.faults import Fault

SEED = 5


class Laboratory:
    """The experiment for tests, which are not coroutines: between them its proxies do not run."""

    def __init__(self, runner: asyncio.Runner, experiment: Experiment) -> None:
        self._runner = runner
        self._experiment = experiment

    def suffer(self, fault: Fault, records: int, *, stalled_after_seconds: float) -> Outcome:
        return self._runner.run(
            self._experiment.suffer(fault, records, stalled_after_seconds=stalled_after_seconds)
        )


@pytest.fixture(scope="session")
def laboratory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Laboratory]:
    """Yield one system behind its proxies for all faults; it has to recover from each of them."""
    # Imported late: a conftest is loaded before the filter for kafka-python's deprecation warnings is set.
    from tests.chaos.experiment import Experiment

    experiment = Experiment(tmp_path_factory.mktemp("chaos"), seed=SEED, is_impatient=True)
    with asyncio.Runner() as runner, _running(runner, experiment):
        yield Laboratory(runner, experiment)


@contextmanager
def _running(runner: asyncio.Runner, experiment: Experiment) -> Iterator[None]:
    runner.run(experiment.__aenter__())
    try:
        yield
    finally:
        runner.run(experiment.__aexit__(None, None, None))
