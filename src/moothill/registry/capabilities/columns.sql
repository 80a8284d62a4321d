-- let: capability
-- The columns of a capability `c` of an agent `a`.
c.id, c.agent_id as agent, a.agent_id as agent_key, a.name as agent_name, c.type, c.name, c.canonical_name,
c.description, c.aliases, c.tags, c.confidence, c.extraction_confidence, c.extraction_method, c.validation_status,
c.demonstration_count, c.success_rate, c.metadata, c.first_observed_at, c.last_demonstrated_at, c.updated_at, c.version

-- let: with_agent
-- The agent of each `c`.
join agents a on a.tenant_id = %(tenant)s and a.id = c.agent_id
