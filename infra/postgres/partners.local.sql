-- Partners of a laptop. On AWS partners are registered by their onboarding, never by a file.
INSERT INTO partners (partner_id, default_schema_hint, allowed_schema_hints) VALUES
    ('partnerA', 'partnerA.v1', ARRAY['partnerA.v1', 'partnerA.v2']),
    ('partnerB', 'partnerB.v1', ARRAY['partnerB.v1'])
ON CONFLICT (partner_id) DO NOTHING;
INSERT INTO partner_sources (source, partner_id) VALUES
    ('partnerA', 'partnerA'), ('hospital-a', 'partnerA'), ('partnerB', 'partnerB'), ('hospital-b', 'partnerB')
ON CONFLICT (source) DO NOTHING;
