"""`exchange reconcile`"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from infra.cli.clients.lambda_api import FunctionFailed, call, lambda_client
from infra.cli.failure import fail
from infra.cli.jobs.backoff import backoff
from infra.cli.jobs.progress import how_to_go_on, run_shards
from infra.cli.jobs.selection import selection
from infra.cli.jobs.shards import total
from infra.cli.options import AsJson, DataDir, Job, Prefix, Shards, Source, require_shards
from infra.cli.running_system import running_system
from infra.cli.screen import tables as screen
from infra.cli.times import read_moment
from infra.system.layout import DEFAULT_DATA_DIR

FUNCTION = "ReconcileFunction"
SHOWN = 20


def reconcile(
    *,
    source: Source = "",
    prefix: Prefix = "",
    since: Annotated[
        str,
        typer.Option(help="A time, or how long ago, such as 24h; by default the end of the last run."),
    ] = "",
    until: Annotated[str, typer.Option(help="The hour to end with; by default now.")] = "",
    everything: Annotated[
        bool, typer.Option("--all", help="Check the whole bucket, objects of the old layout too.")
    ] = False,
    repair: Annotated[
        bool, typer.Option("--repair", help="Repair findings that have a safe fix, then check again.")
    ] = False,
    check_hashes: Annotated[
        bool, typer.Option("--check-hashes", help="Read every object and compare its hash.")
    ] = False,
    grace_seconds: Annotated[
        int, typer.Option("--grace", min=0, help="Seconds before a record counts as stuck.")
    ] = 300,
    wait_seconds: Annotated[
        float, typer.Option("--wait", min=0, help="Seconds that --repair waits for the records it repaired.")
    ] = 120,
    shards: Shards = 4,
    job: Job = "",
    as_json: AsJson = False,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Compare the bucket with the tables and report every difference.

    Without --repair only the list of findings is changed. The exit code is 1 while findings are open, dead letters
    included, or if a shard failed.

    Example: exchange reconcile --since 24h --repair
    """
    require_shards(shards)
    if everything and since:
        fail("--since does not go with --all, which looks at the whole bucket")
    began = datetime.now(UTC).isoformat()
    request: dict[str, Any] = {
        "repair": repair,
        "grace_seconds": grace_seconds,
        "check_hashes": check_hashes,
        "shards": shards,
        "old_layout": everything,
        **selection(source, prefix, since),
        **({"since": "1970-01-01T00:00:00Z"} if everything else {}),
        **({"until": read_moment(until, "--until")} if until else {}),
    }
    client = lambda_client(running_system(data_dir))
    try:
        report = _reconcile(client, request, job, wait_seconds)
        report["findings"] = _read_findings(client, began)
    except FunctionFailed as failed:
        fail(str(failed))
    if as_json:
        print(json.dumps(report, indent=2))
    else:
        _show(report)
    failed_shards = any(not run["done"] for run in report["shards"])
    raise typer.Exit(1 if failed_shards or report["open_findings"] else 0)


def _reconcile(client: Any, request: dict[str, Any], job_id: str, wait_seconds: float) -> dict[str, Any]:
    again = {"action": "look_again", "grace_seconds": request["grace_seconds"]}
    # Earlier findings may lie outside of the window by now.
    known = call(client, FUNCTION, {**again, "repair": request["repair"]})["counts"]
    if not job_id:
        job_id = call(client, FUNCTION, {"action": "start", **request})["job_id"]
    runs = run_shards(
        client,
        FUNCTION,
        job_id,
        request["shards"],
        command="reconcile",
        title="reconcile",
        counted="records",
    )
    counts = total(runs)
    for name, number in known.items():
        if name.startswith("repaired"):
            counts[name] = counts.get(name, 0) + number
    for _ in backoff(wait_seconds):
        open_findings = call(client, FUNCTION, again)["open_findings"]
        # Only repaired records can change by waiting.
        if not counts.get("repaired") or not open_findings or set(open_findings) == {"dead_lettered"}:
            break
    return {
        "job_id": job_id,
        "counts": counts,
        "open_findings": open_findings,
        "shards": [vars(run) for run in runs],
    }


def _read_findings(client: Any, since: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    request: dict[str, Any] = {"action": "findings", "since": since}
    while True:
        page = call(client, FUNCTION, request)
        found += page["findings"]
        if page["next"] is None:
            return found
        request["after"] = page["next"]


def _show(report: dict[str, Any]) -> None:
    out = screen.console()
    counts = report["counts"]
    out.print(
        f"reconcile: job {report['job_id']}: {counts.get('records', 0):,} records, {counts.get('ok', 0):,} ok, "
        f"{counts.get('in_flight', 0):,} under way"
    )
    shown = [finding for finding in report["findings"] if finding["resolved_at"] is None][:SHOWN]
    kinds = sorted({finding["finding"] for finding in report["findings"]})
    if kinds:
        out.print(
            screen.table(
                ("finding", "seen", "repaired", "resolved", "open"), (_row(report, kind) for kind in kinds)
            )
        )
        if shown:
            rows = (
                (
                    *(finding["record_id"], finding["finding"]),
                    *(screen.moment(finding["first_seen"]), screen.moment(finding["repaired_at"])),
                )
                for finding in shown
            )
            out.print(screen.table(("record_id", "finding", "first_seen", "repaired_at"), rows))
    for run in report["shards"]:
        if not run["done"]:
            out.print(f"shard {run['shard']} failed: {run['error']}")
    waiting = sum(report["open_findings"].values())
    if not all(run["done"] for run in report["shards"]):
        out.print(how_to_go_on("reconcile", report["job_id"], len(report["shards"])))
    elif not waiting:
        out.print("Bucket and tables agree." if counts.get("records") else "No record is in the selection.")
    if waiting:
        hidden = f"; {waiting - len(shown):,} are not shown, --json has them" if waiting > len(shown) else ""
        out.print(f"Open findings: {waiting:,}{hidden}")
        out.print("What each means and what mends it: docs/decisions/0016-reconcile-by-windows.md")


def _row(report: dict[str, Any], kind: str) -> tuple[Any, ...]:
    found = [finding for finding in report["findings"] if finding["finding"] == kind]
    return (
        kind,
        len(found),
        sum(finding["repaired_at"] is not None for finding in found),
        sum(finding["resolved_at"] is not None for finding in found),
        report["open_findings"].get(kind, 0),
    )
