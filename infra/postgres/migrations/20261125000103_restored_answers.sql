-- migrate:up

-- The answer that a key was given, or would have been given but for a crash, comes back with its record.
GRANT SELECT (key_hash), INSERT ON idempotency_keys TO exchange_replay, exchange_reconcile;

-- migrate:down
REVOKE SELECT (key_hash), INSERT ON idempotency_keys FROM exchange_replay, exchange_reconcile;
