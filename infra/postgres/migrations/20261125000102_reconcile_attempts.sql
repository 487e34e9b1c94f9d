-- migrate:up

-- Which records were worked on in a window: canonical ones of which neither bucket nor manifest knows are found so.
GRANT SELECT (record_id, started_at) ON processing_attempts TO exchange_reconcile;
-- resolved findings are forgotten after a while
GRANT DELETE ON reconcile_findings TO exchange_reconcile;

-- migrate:down
REVOKE DELETE ON reconcile_findings FROM exchange_reconcile;
REVOKE SELECT (record_id, started_at) ON processing_attempts FROM exchange_reconcile;
