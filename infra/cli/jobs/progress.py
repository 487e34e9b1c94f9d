"""Progress of a job's shards: bars while they run, a table at the end, and how to continue what was left."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from infra.cli.jobs.shards import JobRun, ShardRun
from infra.cli.screen.tables import table


def run_shards(
    client: Any,
    function: str,
    job_id: str,
    shards: int,
    *,
    command: str,
    title: str,
    counted: str,
    changes: bool = True,
) -> list[ShardRun]:
    """Run every shard, with bars on a terminal. Raises FunctionRefused.

    Ctrl-C on a job that `changes` something prints what becomes of it: its schedule takes it up. A job that only
    looks is over then.
    """
    try:
        with bars(title, range(shards), counted=counted) as watch:
            return JobRun(client, function, job_id, watch).run(range(shards))
    except KeyboardInterrupt:
        if changes:
            cancel = json.dumps({"action": "cancel", "job_id": job_id})
            print(f"interrupted; the schedule of {command} goes on with job {job_id}", file=sys.stderr)
            print(how_to_go_on(command, job_id, shards), file=sys.stderr)
            print(f"end it with: echo '{cancel}' | exchange invoke {command} -e -", file=sys.stderr)
        raise


def how_to_go_on(command: str, job_id: str, shards: int) -> str:
    """Return the command that continues a job; its shards are those that it was started with."""
    return f"go on with: exchange {command} --job {job_id} --shards {shards}"


@contextmanager
def bars(title: str, shards: Sequence[int], *, counted: str) -> Iterator[Callable[[ShardRun], None]]:
    """Show a progress bar for each shard, on a terminal only; `counted` names the number beside it."""
    screen = Console(stderr=True, highlight=False)
    if not screen.is_terminal:
        yield lambda run: None
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[counted]:>9,} {task.fields[name]}  {task.fields[waits]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=screen, refresh_per_second=4) as progress:
        tasks = {
            shard: progress.add_task(
                f"{title}, shard {shard + 1} of {len(shards)}", total=1.0, counted=0, name=counted, waits=""
            )
            for shard in shards
        }

        def watch(run: ShardRun) -> None:
            waits = (
                "failed, tried again" if run.error else f"waits for {run.waits_for}" if run.waits_for else ""
            )
            progress.update(
                tasks[run.shard], completed=run.progress, counted=run.counts.get(counted, 0), waits=waits
            )

        yield watch


def shard_table(runs: Sequence[ShardRun], names: Sequence[str]) -> Table:
    """Return a row a shard: how it ended, and its numbers of these names."""
    return table(
        ("shard", "ended", "invokes", "failures", "seconds", *names),
        (
            (
                run.shard,
                "done" if run.done else "FAILED",
                run.invokes,
                run.failures,
                f"{run.seconds:.1f}",
                *(run.counts.get(name, 0) for name in names),
            )
            for run in runs
        ),
    )
