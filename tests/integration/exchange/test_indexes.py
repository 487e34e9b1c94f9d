"""Queries on tables that keep rows for months or years use an index."""

from __future__ import annotations

import pytest
from psycopg2.extensions import adapt

from exchange.recovery import store as recovery
from exchange.retention import service as retention
from tests.integration.exchange.harness import Exchange

RECORD = "00000000-0000-4000-8000-000000000000"
QUESTIONS = {
    "reconcile_findings_resolved": recovery.QUERIES["prune_findings"],
    "dead_letters_closed": retention.QUERIES["prune_dead_letters"] % {"days": 90, "limit": 10},
    "audit_log_by_time": "SELECT * FROM audit_log WHERE at >= '2026-11-24' AND at < '2026-11-25'",
    "audit_log_of_operations": "SELECT * FROM audit_log WHERE action <> 'ingest' AND record_id ="
    f" {adapt(RECORD)}",
    "audit_log_by_case": "SELECT * FROM audit_log WHERE case_ref = 'TICKET-123'",
}


@pytest.mark.parametrize(("index", "question"), QUESTIONS.items(), ids=QUESTIONS)
def test_it_is_found_by_its_index(exchange: Exchange, index: str, question: str) -> None:
    # The planner would read an empty table sequentially if it were allowed to.
    plan = exchange.rows(f"SET enable_seqscan = off; EXPLAIN {question.replace('%', '%%')}")
    assert index in "\n".join(line for (line,) in plan)
