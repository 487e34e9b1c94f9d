"""The shards of a job until they are through, and how to go on with what was left."""

from __future__ import annotations

import json
import sys
from typing import Any

from infra.cli.jobs.shards import Fleet, ShardRun
from infra.cli.screen import tables as screen


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
    """Every shard, with bars on a terminal. Raises FunctionRefused.

    Ctrl-C says what becomes of a job that `changes` something: its schedule takes it up. A look is over then.
    """
    try:
        with screen.bars(title, range(shards), counted=counted) as watch:
            return Fleet(client, function, job_id, watch).run(range(shards))
    except KeyboardInterrupt:
        if changes:
            cancel = json.dumps({"action": "cancel", "job_id": job_id})
            print(f"interrupted; the schedule of {command} goes on with job {job_id}", file=sys.stderr)
            print(how_to_go_on(command, job_id, shards), file=sys.stderr)
            print(f"end it with: echo '{cancel}' | exchange invoke {command} -e -", file=sys.stderr)
        raise


def how_to_go_on(command: str, job_id: str, shards: int) -> str:
    """Said where a job was left: its shards are those that it was started with."""
    return f"go on with: exchange {command} --job {job_id} --shards {shards}"
