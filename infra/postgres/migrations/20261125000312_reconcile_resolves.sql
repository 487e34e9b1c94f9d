-- migrate:up

-- A dead letter of a record that is canonical all the same is closed with what the ledger is told.
GRANT SELECT (record_id, closed_at), UPDATE (state, closed_at) ON dead_letters TO exchange_reconcile;

-- migrate:down
REVOKE SELECT (record_id, closed_at), UPDATE (state, closed_at) ON dead_letters FROM exchange_reconcile;
