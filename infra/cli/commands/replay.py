"""`exchange replay`"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

import typer

from infra.cli.clients.lambda_api import FunctionFailed, call, lambda_client
from infra.cli.failure import fail
from infra.cli.jobs.backoff import backoff
from infra.cli.jobs.progress import how_to_go_on, run_shards, shard_table
from infra.cli.jobs.selection import selection
from infra.cli.jobs.shards import ShardRun, total
from infra.cli.options import AsJson, DataDir, Job, Prefix, Shards, Source, require_shards
from infra.cli.running_system import running_system
from infra.cli.screen import tables as screen
from infra.cli.times import read_moment
from infra.system.layout import DEFAULT_DATA_DIR

FUNCTION = "ReplayFunction"
EMITTED = (
    "objects",
    "emitted",
    "restored",
    "canonical",
    "missing",
    "dead_lettered",
    "erased",
    "copies",
    "unfit",
)
COUNTED = ("objects", "canonical", "missing", "dead_lettered", "erased", "copies", "unfit", "foreign")


def replay(
    *,
    source: Source = "",
    prefix: Prefix = "",
    since: Annotated[
        str, typer.Option(help="Only records accepted since a time, or how long ago, such as 24h.")
    ] = "",
    until: Annotated[str, typer.Option(help="Only records accepted before a time; by default now.")] = "",
    limit: Annotated[
        int, typer.Option(min=0, help="Only this number of objects, in one shard; 0 is all.")
    ] = 0,
    emit_version: Annotated[
        Literal["auto", "v1", "v2"],
        typer.Option(help="The version of the events; auto is that of each record."),
    ] = "auto",
    rate_per_sec: Annotated[
        float, typer.Option(min=0, help="The maximum of events a second; 0 is no limit.")
    ] = 0,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only count the events that would be emitted.")
    ] = False,
    verify: Annotated[
        bool,
        typer.Option("--verify", help="Check that every raw object is canonical; with --dry-run, only that."),
    ] = False,
    wait_seconds: Annotated[
        float, typer.Option("--wait", min=0, help="Seconds that --verify waits for records in flight.")
    ] = 120,
    shards: Shards = 4,
    job: Job = "",
    as_json: AsJson = False,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Emit the events of raw objects once more, as the same bytes.

    Rows that the tables have lost are rebuilt from the objects. The order is by source, then objects of the old layout
    before the others, then by hour and by key. A record that is canonical stays as it is. The exit code is 1 if a
    shard failed or --verify found a gap.

    Example: exchange replay --source hospital-a --since 24h --verify
    """
    require_shards(shards)
    if job and dry_run:
        fail("--dry-run does not go with --job, which goes on emitting")
    request: dict[str, Any] = {
        # The same for both jobs: a record that comes in meanwhile is not a gap.
        "until": read_moment(until, "--until") if until else datetime.now(UTC).isoformat(),
        "shards": 1 if limit else shards,
        **selection(source, prefix, since),
        **({"limit": limit} if limit else {}),
    }
    client = lambda_client(running_system(data_dir))
    report: dict[str, Any] = {}
    try:
        if not (dry_run and verify):
            emission: dict[str, Any] = {
                "mode": "dry_run" if dry_run else "emit",
                "emit_version": emit_version,
            }
            if rate_per_sec:
                emission["rate_per_sec"] = rate_per_sec
            report["replay"] = _run_job(client, {**request, **emission}, job, as_json=as_json)
        if verify and not _has_failed(report):
            report["verify"] = _verify(client, request, wait_seconds, as_json=as_json)
    except FunctionFailed as failed:
        fail(str(failed))
    if as_json:
        print(json.dumps(report, indent=2))
    gaps = _gaps(report["verify"]["counts"]) if "verify" in report else 0
    if not as_json and "verify" in report and not _has_failed(report):
        screen.console().print(_verdict(gaps, report["verify"]["counts"].get("objects", 0)))
    raise typer.Exit(1 if gaps or _has_failed(report) else 0)


def _run_job(client: Any, request: dict[str, Any], job_id: str, *, as_json: bool) -> dict[str, Any]:
    shards = request["shards"]
    if not job_id:
        job_id = call(client, FUNCTION, {"action": "start", **request})["job_id"]
    emits = request["mode"] == "emit"
    counted = "emitted" if emits else "objects"
    title = {"emit": "replay", "dry_run": "dry run", "verify": "verify"}[request["mode"]]
    runs = run_shards(
        client, FUNCTION, job_id, shards, command="replay", title=title, counted=counted, changes=emits
    )
    if not as_json:
        _show(title, job_id, runs, EMITTED if emits else COUNTED)
        if emits and not all(run.done for run in runs):
            screen.console().print(how_to_go_on("replay", job_id, shards))
    return {"job_id": job_id, "counts": total(runs), "shards": [vars(run) for run in runs]}


def _show(title: str, job_id: str, runs: list[ShardRun], names: tuple[str, ...]) -> None:
    out = screen.console()
    counts = total(runs)
    names = tuple(name for name in names if counts.get(name) or name in ("objects", "emitted"))
    out.print(f"{title}: job {job_id}")
    out.print(shard_table(runs, names))
    out.print(screen.table(names, [[counts.get(name, 0) for name in names]]))
    for run in runs:
        if not run.done:
            out.print(f"shard {run.shard} failed: {run.error}")


def _verify(client: Any, request: dict[str, Any], wait_seconds: float, *, as_json: bool) -> dict[str, Any]:
    """Verify, and repeat while records are missing, for up to `wait_seconds`: events just emitted are in flight."""
    for _ in backoff(wait_seconds):
        report = _run_job(client, {**request, "mode": "verify"}, "", as_json=True)
        if not report["counts"].get("missing") or _has_failed({"verify": report}):
            break
    if not as_json:
        runs = [ShardRun(**run) for run in report["shards"]]
        _show("verify", report["job_id"], runs, COUNTED)
    return report


def _verdict(gaps: int, objects: int) -> str:
    if gaps:
        return f"{gaps:,} raw objects are not canonical; exchange reconcile --all names them"
    # A misspelt source has no gap either.
    return "Complete: nothing is missing." if objects else "No raw object is in the selection."


def _gaps(counts: dict[str, int]) -> int:
    """Count raw objects that are neither canonical nor accounted for, as dead letters and erased records are."""
    return counts.get("missing", 0) + counts.get("unfit", 0)


def _has_failed(report: dict[str, Any]) -> bool:
    return any(not run["done"] for job in report.values() for run in job["shards"])
