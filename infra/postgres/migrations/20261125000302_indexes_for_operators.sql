-- migrate:up

-- What may be forgotten: asked for at every run of reconcile and of retain, of tables that keep months.
CREATE INDEX reconcile_findings_resolved ON reconcile_findings (resolved_at) WHERE resolved_at IS NOT NULL;
CREATE INDEX dead_letters_closed ON dead_letters (closed_at) WHERE closed_at IS NOT NULL;

-- The audit log is kept for ever and has a row a request. "What happened that day": rows lie in the order of their time,
-- so that a few bytes a megabyte find them and no insert of ingest pays for a tree.
CREATE INDEX audit_log_by_time ON audit_log USING brin (at);
-- "Who did what to this record, but for its own sender": few rows, those an auditor asks for.
CREATE INDEX audit_log_of_operations ON audit_log (record_id) WHERE action <> 'ingest';

-- migrate:down
DROP INDEX audit_log_of_operations;
DROP INDEX audit_log_by_time;
DROP INDEX dead_letters_closed;
DROP INDEX reconcile_findings_resolved;
