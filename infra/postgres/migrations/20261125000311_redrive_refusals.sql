-- migrate:up

-- Why a redrive did not send the letter, the last time it was asked to.
ALTER TABLE dead_letters
    ADD COLUMN refusal text CHECK (refusal IN ('event_unreadable', 'record_not_dead', 'raw_object_missing',
                                               'raw_object_changed', 'record_unknown')),
    ADD COLUMN refused_at timestamptz,
    ADD CONSTRAINT a_refusal_has_its_time CHECK ((refusal IS NULL) = (refused_at IS NULL));

GRANT UPDATE (refusal, refused_at) ON dead_letters TO exchange_redrive;
-- What an event is made of when its bytes are gone, and whose sources to look under when the manifest's row is gone, too.
GRANT SELECT (route, bucket, object_key, sha256, size_bytes, correlation_id, occurred_at, raw_deleted_at)
    ON raw_object_manifest TO exchange_redrive;
GRANT SELECT ON partners, partner_sources TO exchange_redrive;

-- migrate:down
REVOKE SELECT ON partners, partner_sources FROM exchange_redrive;
REVOKE SELECT (route, bucket, object_key, sha256, size_bytes, correlation_id, occurred_at, raw_deleted_at)
    ON raw_object_manifest FROM exchange_redrive;
ALTER TABLE dead_letters DROP COLUMN refusal, DROP COLUMN refused_at;
