-- let: edge
-- The columns of a relationship `r` between agents `s` and `t`.
r.id, r.source_id, s.agent_id as source, s.name as source_name, r.target_id, t.agent_id as target,
t.name as target_name, r.type, r.directional, r.confidence, r.strength, r.cooccurrence_count,
r.mutual_information, r.pointwise_mutual_information, r.measured_at, r.extraction_context, r.metadata,
r.first_observed_at, r.last_observed_at, r.updated_at, r.version

-- let: relationship
-- The same with how many tasks show it.
{edge},
(select count(*) from agent_relationship_evidence v
 where v.tenant_id = %(tenant)s and v.relationship_id = r.id) as evidence_count

-- let: relationship_written
-- The same while the statement adds tasks, `shown`, which it does not see yet.
{edge},
(select count(*) from agent_relationship_evidence v where v.tenant_id = %(tenant)s and v.relationship_id = r.id)
+ (select count(*) from shown v where v.relationship_id = r.id) as evidence_count

-- let: with_agents
-- The agents of each `r`.
join agents s on s.tenant_id = %(tenant)s and s.id = r.source_id
join agents t on t.tenant_id = %(tenant)s and t.id = r.target_id
