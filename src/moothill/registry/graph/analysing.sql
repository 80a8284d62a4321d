-- name: page
-- Relationships in the order of their ids, packed: ids of 16 bytes, numbers of 8, most significant byte first.
-- returns: one
select count(*) as many,
       coalesce(string_agg(uuid_send(e.id), ''::bytea order by e.id), '') as ids,
       coalesce(string_agg(uuid_send(e.source_id), ''::bytea order by e.id), '') as sources,
       coalesce(string_agg(uuid_send(e.target_id), ''::bytea order by e.id), '') as targets,
       coalesce(string_agg(int8send(array_position(%(types)s::text[], e.type)::bigint), ''::bytea order by e.id), '') as kinds,
       coalesce(string_agg(int8send(e.directional::integer::bigint), ''::bytea order by e.id), '') as directed,
       coalesce(string_agg(float8send((e.confidence * e.strength)::float8), ''::bytea order by e.id), '') as weights,
       coalesce(string_agg(int8send(e.cooccurrence_count), ''::bytea order by e.id), '') as together
from (
  select r.id, r.source_id, r.target_id, r.type, r.directional, r.confidence, r.strength, r.cooccurrence_count
  from agent_relationships r
  where r.tenant_id = %(tenant)s and r.id > %(after)s::uuid
  order by r.id
  limit %(size)s
) e;

-- name: beyond
-- How many relationships come after a place.
-- returns: one
select count(*) from agent_relationships r where r.tenant_id = %(tenant)s and r.id > %(after)s::uuid;

-- name: begin
-- Note an analysis whose rows are about to be written.
-- returns: run
insert into graph_analyses (tenant_id, id, agents, relationships, left_out, samples, communities, seconds, read_at)
select t.id, %(id)s, %(agents)s, %(relationships)s, %(left_out)s, %(samples)s, %(communities)s, %(seconds)s::float8,
       %(read_at)s::timestamptz
from tenants t
where t.id = %(tenant)s;

-- name: store
-- Write how central agents are; not of one that was erased since its relationships were read.
-- returns: run
insert into agent_centrality (tenant_id, analysis_id, agent_id, degree, in_degree, out_degree, degree_centrality,
                              pagerank, betweenness, community)
select t.id, %(analysis)s::uuid, u.agent, u.degree, u.incoming, u.outgoing, u.share, u.pagerank, u.betweenness,
       u.community
from tenants t
cross join unnest(%(agents)s::uuid[], %(degrees)s::bigint[], %(incoming)s::bigint[], %(outgoing)s::bigint[],
                  %(shares)s::float8[], %(pageranks)s::float8[], %(betweennesses)s::float8[], %(communities)s::integer[])
  as u (agent, degree, incoming, outgoing, share, pagerank, betweenness, community)
where t.id = %(tenant)s and search_actor_stays('agent', u.agent)
on conflict (tenant_id, analysis_id, agent_id) do nothing;

-- name: measure
-- Write the mutual information of relationships; one that says so already is left alone.
-- returns: run
update agent_relationships r
set mutual_information = u.mutual, pointwise_mutual_information = u.pointwise, measured_at = now()
from unnest(%(ids)s::uuid[], %(mutual)s::float8[], %(pointwise)s::float8[]) as u (id, mutual, pointwise)
where r.tenant_id = %(tenant)s and r.id = u.id
  and (r.mutual_information, r.pointwise_mutual_information) is distinct from (u.mutual, u.pointwise);

-- name: finish
-- Let readers see an analysis from now on.
-- returns: run
update graph_analyses set finished_at = now() where tenant_id = %(tenant)s and id = %(id)s;

-- name: tidy
-- Forget analyses that another one replaced, and what a run that was broken off left behind; rows go with them.
-- returns: run
delete from graph_analyses
where tenant_id = %(tenant)s and id <> %(id)s and (finished_at is not null or read_at < now() - interval '1 day');

-- name: drop
-- Forget an analysis that was begun.
-- returns: run
delete from graph_analyses where tenant_id = %(tenant)s and id = %(id)s and finished_at is null;

-- name: now
-- The moment, by the database.
-- returns: one
select now();

-- name: is_due
-- Whether there are relationships, and no analysis of the last day.
-- returns: one
select exists (select from agent_relationships r where r.tenant_id = %(tenant)s)
   and not exists (select from graph_analyses n where n.tenant_id = %(tenant)s and n.read_at > now() - interval '1 day')
  as due;
