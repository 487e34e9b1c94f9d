-- migrate:up

-- What a replay restored is in the audit log, as what reconcile mended is.
GRANT INSERT ON audit_log TO exchange_replay;

-- migrate:down
REVOKE INSERT ON audit_log FROM exchange_replay;
