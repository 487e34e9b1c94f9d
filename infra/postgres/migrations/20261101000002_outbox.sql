-- migrate:up

CREATE TABLE outbox_events (
    outbox_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- a publisher takes whole shards, so a key is never in two hands and keeps its order
    shard smallint NOT NULL CHECK (shard BETWEEN 0 AND 15),
    topic text NOT NULL,
    key text NOT NULL,
    -- bytea, never jsonb: the bytes that leave are the bytes that were written
    value bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    attempts integer NOT NULL DEFAULT 0,
    last_error text,
    published_at timestamptz
) WITH (fillfactor = 80);

-- What is still to be published, in the order it is published.
CREATE INDEX outbox_pending ON outbox_events (shard, outbox_id) WHERE published_at IS NULL;
-- What may be pruned.
CREATE INDEX outbox_published ON outbox_events (published_at) WHERE published_at IS NOT NULL;

-- migrate:down
DROP TABLE outbox_events;
