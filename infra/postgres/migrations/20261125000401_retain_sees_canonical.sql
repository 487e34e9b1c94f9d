-- migrate:up

-- A raw object goes only when its record is canonical.
GRANT SELECT (record_id) ON canonical_records TO exchange_retain;

-- migrate:down
REVOKE SELECT (record_id) ON canonical_records FROM exchange_retain;
