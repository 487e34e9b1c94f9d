"""The final report of `exchange reconcile`."""

from __future__ import annotations

from typing import Any

import pytest

from infra.cli.commands.reconcile import SHOWN, _show

SHARD = {"shard": 0, "done": True, "error": None}


def report(*, records: int = 0, still_open: int = 0, **changed: Any) -> dict[str, Any]:
    finding = {"finding": "raw_copy", "first_seen": "2026-11-24T12:00:00.000Z"}
    found = [
        {"record_id": f"record-{n}", "repaired_at": None, "resolved_at": None, **finding}
        for n in range(still_open)
    ]
    return {
        "job_id": "a-job",
        "counts": {"records": records},
        "findings": found,
        "open_findings": {"raw_copy": still_open} if still_open else {},
        "shards": [SHARD],
        **changed,
    }


def last_lines(capsys: pytest.CaptureFixture[str], report: dict[str, Any]) -> list[str]:
    _show(report)
    return capsys.readouterr().out.splitlines()[-2:]


def test_findings_that_are_not_shown_are_counted_and_all_are_told_where_they_are_explained(
    capsys: pytest.CaptureFixture[str],
) -> None:
    count, where = last_lines(capsys, report(records=40, still_open=SHOWN + 5))
    assert count == f"Open findings: {SHOWN + 5}; 5 are not shown, --json has them"
    assert where.endswith("docs/decisions/0016-reconcile-by-windows.md")


def test_a_shard_that_failed_is_not_followed_by_agreement(capsys: pytest.CaptureFixture[str]) -> None:
    failed = report(records=40, shards=[{"shard": 0, "done": False, "error": "no database"}])
    assert last_lines(capsys, failed) == [
        "shard 0 failed: no database",
        "go on with: exchange reconcile --job a-job --shards 1",
    ]


def test_no_record_looked_at_is_no_agreement(capsys: pytest.CaptureFixture[str]) -> None:
    assert last_lines(capsys, report())[-1] == "No record is in the selection."
    assert last_lines(capsys, report(records=1))[-1] == "Bucket and tables agree."
