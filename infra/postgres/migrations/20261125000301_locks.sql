-- migrate:up

-- Who may delete a row may also lock it first, in order, or pass over it: Postgres asks for UPDATE of some column.
GRANT SELECT (outbox_id), UPDATE (published_at) ON outbox_events TO exchange_erase;
GRANT UPDATE (expires_at) ON idempotency_keys TO exchange_retain;
GRANT UPDATE (started_at) ON processing_attempts TO exchange_retain;
GRANT UPDATE (closed_at) ON dead_letters TO exchange_retain;

-- migrate:down
REVOKE UPDATE (closed_at) ON dead_letters FROM exchange_retain;
REVOKE UPDATE (started_at) ON processing_attempts FROM exchange_retain;
REVOKE UPDATE (expires_at) ON idempotency_keys FROM exchange_retain;
REVOKE SELECT (outbox_id), UPDATE (published_at) ON outbox_events FROM exchange_erase;
