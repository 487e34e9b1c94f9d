-- migrate:up

-- An attempt whose environment died is nobody's to end once its record is erased.
GRANT SELECT (record_id, stage, state), UPDATE (state, error_code, finished_at) ON processing_attempts TO exchange_erase;

-- migrate:down
REVOKE SELECT (record_id, stage, state), UPDATE (state, error_code, finished_at) ON processing_attempts
    FROM exchange_erase;
