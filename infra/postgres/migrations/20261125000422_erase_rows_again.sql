-- migrate:up

-- Rows of an erased record that a backup brought back are erased again, and counted with those of the first time.
GRANT UPDATE (deleted_rows) ON tombstones TO exchange_erase;

-- migrate:down
REVOKE UPDATE (deleted_rows) ON tombstones FROM exchange_erase;
