-- name: read_partners
-- The whole registry, small by nature: read once a minute instead of once a request.
SELECT source, partner_id, default_schema_hint, allowed_schema_hints
FROM partners LEFT JOIN partner_sources USING (partner_id);
