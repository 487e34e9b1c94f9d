-- name: read_partners
-- Reads the whole registry, which is small, once a minute instead of once per request.
SELECT source, partner_id, default_schema_hint, allowed_schema_hints
FROM partners LEFT JOIN partner_sources USING (partner_id);
