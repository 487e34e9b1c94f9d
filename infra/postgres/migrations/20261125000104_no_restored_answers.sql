-- migrate:up

-- Answers are not restored: nothing tells a client that had its answer from one whose request died before.
REVOKE SELECT (key_hash), INSERT ON idempotency_keys FROM exchange_replay, exchange_reconcile;

-- migrate:down
GRANT SELECT (key_hash), INSERT ON idempotency_keys TO exchange_replay, exchange_reconcile;
