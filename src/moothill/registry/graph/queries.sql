-- name: traverse
-- The agents around one, by breadth first, with what bounded the walk in each row.
-- returns: many
with start as materialized (
  select n.id from agents n
  where n.tenant_id = %(tenant)s and (n.agent_id = %(key)s::text or n.id = %(id)s::uuid)
  order by n.agent_id = %(key)s
  limit 1
), w as materialized (
  select g.* from start s
  cross join lateral graph_traverse(
    %(tenant)s, s.id, %(hops)s::integer, %(types)s::text[], %(lowest)s::numeric, %(outward)s::boolean,
    %(inward)s::boolean, %(fan)s::integer, %(most)s::integer) g
)
select u.agent as id, a.agent_id as agent, a.name, a.status, u.hop, u.parent, u.edge as relationship, u.kind as type,
       u.sure as confidence, w.seen, w.fanned_at, w.full_at
from w
cross join lateral unnest(w.agents, w.hop_of, w.parents, w.edges, w.kinds, w.sure)
  with ordinality as u (agent, hop, parent, edge, kind, sure, place)
-- One by one, by the key: how many there are is not known to the planner, and a join would read all agents.
cross join lateral (
  select n.agent_id, n.name, n.status from agents n where n.tenant_id = %(tenant)s and n.id = u.agent limit 1
) a
order by u.place;

-- name: path
-- The shortest path between two agents, of these the surest; a row for each agent on it, or one without agent.
-- returns: many
with p as materialized (
  select * from graph_path(%(tenant)s, %(source)s::uuid, %(target)s::uuid, %(hops)s::integer, %(types)s::text[],
                           %(lowest)s::numeric, %(outward)s::boolean, %(inward)s::boolean, %(fan)s::integer,
                           %(most)s::integer)
)
select a.id, a.agent_id as agent, a.name, r.id as relationship, r.source_id, r.type, r.directional, r.confidence,
       r.strength, p.sure, p.reached, p.seen, p.cut
from p
left join lateral unnest(p.agents, array[null::uuid] || p.edges) with ordinality as u (agent, edge, place) on true
left join agents a on a.tenant_id = %(tenant)s and a.id = u.agent
left join agent_relationships r on r.tenant_id = %(tenant)s and r.id = u.edge
order by u.place;

-- name: among
-- The relationships among some agents, the surest first.
-- returns: many
select id, source_id, target_id, type, directional, confidence, strength
from graph_between(%(tenant)s, %(agents)s::uuid[], %(types)s::text[], %(lowest)s::numeric, %(most)s::integer);

-- name: named
-- Agents by their ids.
-- returns: many
select a.id, a.agent_id as agent, a.name, a.status
from agents a
where a.tenant_id = %(tenant)s and a.id = any(%(agents)s::uuid[]);

-- name: surest
-- The ends of the surest relationships.
-- returns: many
select r.source_id, r.target_id
from agent_relationships r
where r.tenant_id = %(tenant)s and r.confidence >= %(lowest)s::numeric
  and (%(types)s::text[] is null or r.type = any(%(types)s::text[]))
order by r.confidence desc, r.id
limit %(size)s;

-- name: top
-- The agents of the highest PageRank, by the newest analysis.
-- returns: many
select c.agent_id
from agent_centrality c
where c.tenant_id = %(tenant)s and c.analysis_id = (
  select n.id from graph_analyses n where n.tenant_id = %(tenant)s and n.finished_at is not null
  order by n.finished_at desc limit 1)
order by c.pagerank desc, c.agent_id
limit %(size)s;

-- name: latest
-- The newest analysis that ended.
-- returns: maybe
select id, agents, relationships, left_out, samples, communities, seconds, read_at, finished_at
from graph_analyses
where tenant_id = %(tenant)s and finished_at is not null
order by finished_at desc
limit 1;

-- let: centrality
-- The columns of a centrality `c` of an agent `a`, by the analysis `n`.
a.id, a.agent_id as agent, a.name, c.degree, c.in_degree, c.out_degree, c.degree_centrality, c.pagerank, c.betweenness,
c.community, n.read_at

-- name: of_agent
-- How central one agent is.
-- returns: maybe
select {centrality}
from agent_centrality c
join graph_analyses n on n.tenant_id = %(tenant)s and n.id = c.analysis_id
join agents a on a.tenant_id = %(tenant)s and a.id = c.agent_id
where c.tenant_id = %(tenant)s and c.analysis_id = %(analysis)s and c.agent_id = %(agent)s;

-- name: by_pagerank
-- The most central agents, by PageRank.
-- returns: many
select {centrality}
from agent_centrality c
join graph_analyses n on n.tenant_id = %(tenant)s and n.id = c.analysis_id
join agents a on a.tenant_id = %(tenant)s and a.id = c.agent_id
where c.tenant_id = %(tenant)s and c.analysis_id = %(analysis)s
  and (%(community)s::integer is null or c.community = %(community)s)
  and c.pagerank <= %(below)s::float8
  and (c.pagerank < %(below)s::float8 or c.agent_id > %(after)s::uuid)
order by c.pagerank desc, c.agent_id
limit %(size)s;

-- name: by_degree
-- The most central agents, by the number of their relationships.
-- returns: many
select {centrality}
from agent_centrality c
join graph_analyses n on n.tenant_id = %(tenant)s and n.id = c.analysis_id
join agents a on a.tenant_id = %(tenant)s and a.id = c.agent_id
where c.tenant_id = %(tenant)s and c.analysis_id = %(analysis)s
  and (%(community)s::integer is null or c.community = %(community)s)
  and c.degree <= %(below)s::float8
  and (c.degree < %(below)s::float8 or c.agent_id > %(after)s::uuid)
order by c.degree desc, c.agent_id
limit %(size)s;

-- name: by_betweenness
-- The most central agents, by betweenness.
-- returns: many
select {centrality}
from agent_centrality c
join graph_analyses n on n.tenant_id = %(tenant)s and n.id = c.analysis_id
join agents a on a.tenant_id = %(tenant)s and a.id = c.agent_id
where c.tenant_id = %(tenant)s and c.analysis_id = %(analysis)s
  and (%(community)s::integer is null or c.community = %(community)s)
  and c.betweenness <= %(below)s::float8
  and (c.betweenness < %(below)s::float8 or c.agent_id > %(after)s::uuid)
order by c.betweenness desc, c.agent_id
limit %(size)s;
