-- phase: pre
-- Relationships: how agents are connected, on what evidence, and walking along them.
--
-- An undirected edge stands once, its smaller agent as source, and is walked both ways: the statement that
-- writes it puts the ends in order, and two unique indexes keep every other form of the same edge out. Each end has
-- an index that holds all that walking needs, the surest edges first. Walking is done in functions of
-- moothill_search, whose bodies name the tenant.

create table moothill.agent_relationships (
  tenant_id uuid not null,
  id uuid not null,
  source_id uuid not null,
  target_id uuid not null,
  type text not null constraint agent_relationships_type_check
    check (type in ('COLLABORATES_WITH', 'SIMILAR_TO', 'DERIVED_FROM', 'VALIDATES', 'DEPENDS_ON', 'COMPETES_WITH',
                    'INFLUENCES', 'REPLACES', 'ENHANCES')),
  directional boolean not null default false,
  confidence numeric(3, 2) not null
    constraint agent_relationships_confidence_check check (confidence between 0.5 and 1),
  strength_base numeric(5, 4) not null default 1
    constraint agent_relationships_strength_check check (strength_base between 0 and 1),
  strength_steps bigint not null default 0
    constraint agent_relationships_steps_check check (strength_steps >= 0),
  -- Each observation takes a tenth of what is left to 1. Computed from their number, it does not depend on their order.
  strength numeric(5, 4) not null generated always as (
    case when strength_steps = 0 then strength_base
         else round(1 - (1 - strength_base) * 0.9 ^ least(strength_steps, 500), 4) end) stored,
  cooccurrence_count bigint not null default 1
    constraint agent_relationships_count_check check (cooccurrence_count >= 0),
  mutual_information double precision,
  pointwise_mutual_information double precision,
  measured_at timestamptz,
  -- Sealed, ten thousand characters of four bytes take 53,400.
  extraction_context text not null default ''
    constraint agent_relationships_context_check check (length(extraction_context) <= 60000),
  metadata jsonb not null default '{}',
  first_observed_at timestamptz not null default now(),
  last_observed_at timestamptz not null default now(),
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  version integer not null default 1,
  constraint agent_relationships_pkey primary key (tenant_id, id),
  constraint agent_relationships_edge_key unique (tenant_id, source_id, target_id, type),
  constraint agent_relationships_source_fkey foreign key (tenant_id, source_id)
    references moothill.agents (tenant_id, id),
  constraint agent_relationships_target_fkey foreign key (tenant_id, target_id)
    references moothill.agents (tenant_id, id),
  constraint agent_relationships_self_check check (source_id <> target_id),
  constraint agent_relationships_order_check check (directional or source_id < target_id)
) with (fillfactor = 85);
select mt.distribute('moothill.agent_relationships');
-- The key above keeps a forward edge and an undirected one apart from each other; this one, a backward edge.
create unique index agent_relationships_pair_key
  on moothill.agent_relationships (tenant_id, (least(source_id, target_id)), (greatest(source_id, target_id)), type)
  where not directional or source_id > target_id;
create index agent_relationships_source_idx on moothill.agent_relationships (tenant_id, source_id, confidence desc)
  include (target_id, type, directional, strength, id);
create index agent_relationships_target_idx on moothill.agent_relationships (tenant_id, target_id, confidence desc)
  include (source_id, type, directional, strength, id);
create index agent_relationships_confidence_idx on moothill.agent_relationships (tenant_id, confidence desc, id);
select mt.protect('moothill.agent_relationships');
create policy search_rows on moothill.agent_relationships for select to moothill_search using (true);
grant select, insert, update, delete on moothill.agent_relationships to moothill_app;
grant select on moothill.agent_relationships to moothill_readonly, moothill_auditor, moothill_search;
grant select (tenant_id, id, source_id, target_id, type, directional, confidence, strength, cooccurrence_count,
              mutual_information, pointwise_mutual_information, measured_at, first_observed_at,
              last_observed_at, created_at, updated_at, version)
  on moothill.agent_relationships to moothill_sql;

comment on table moothill.agent_relationships is 'How agents are connected: typed edges with the confidence in them and their strength.';
comment on column moothill.agent_relationships.tenant_id is 'Whose it is.';
comment on column moothill.agent_relationships.id is 'Id, a UUIDv7.';
comment on column moothill.agent_relationships.source_id is 'The agent at which it begins; of an undirected one, the smaller id.';
comment on column moothill.agent_relationships.target_id is 'The agent at which it ends.';
comment on column moothill.agent_relationships.type is 'What kind of connection it is.';
comment on column moothill.agent_relationships.directional is 'Whether it holds from source to target only.';
comment on column moothill.agent_relationships.confidence is 'How sure it is that they are connected so, 0.5 to 1.';
comment on column moothill.agent_relationships.strength_base is 'Strength as it was last said, 0 to 1.';
comment on column moothill.agent_relationships.strength_steps is 'Observations since it was said.';
comment on column moothill.agent_relationships.strength is 'How strong the connection is, 0 to 1: each observation takes a tenth of what is left to 1.';
comment on column moothill.agent_relationships.cooccurrence_count is 'Times the two were seen together so.';
comment on column moothill.agent_relationships.mutual_information is 'Mutual information of the two ends over co-occurrences of this type, bits; a job computes it.';
comment on column moothill.agent_relationships.pointwise_mutual_information is 'Pointwise mutual information of the two ends, bits; above 0: together more often than by chance. A job computes it.';
comment on column moothill.agent_relationships.measured_at is 'When a computation last changed the two.';
comment on column moothill.agent_relationships.extraction_context is 'What it was found in, in prose.';
comment on column moothill.agent_relationships.metadata is 'What else its source said.';
comment on column moothill.agent_relationships.first_observed_at is 'When it was first seen.';
comment on column moothill.agent_relationships.last_observed_at is 'When it was last seen.';
comment on column moothill.agent_relationships.created_at is 'When it was recorded here.';
comment on column moothill.agent_relationships.updated_at is 'When it last changed; observations count.';
comment on column moothill.agent_relationships.version is 'Rises with each change of what it says; observations do not count.';

create table moothill.agent_relationship_evidence (
  tenant_id uuid not null,
  relationship_id uuid not null,
  task_id uuid not null,
  observed_at timestamptz not null default now(),
  constraint agent_relationship_evidence_pkey primary key (tenant_id, relationship_id, task_id),
  constraint agent_relationship_evidence_edge_fkey foreign key (tenant_id, relationship_id)
    references moothill.agent_relationships (tenant_id, id) on delete cascade
);
select mt.distribute('moothill.agent_relationship_evidence');
select mt.protect('moothill.agent_relationship_evidence');
grant select, insert, delete on moothill.agent_relationship_evidence to moothill_app;
grant select on moothill.agent_relationship_evidence to moothill_readonly, moothill_auditor, moothill_sql;

comment on table moothill.agent_relationship_evidence is 'Tasks in which the agents of a relationship were seen together; each counts once.';
comment on column moothill.agent_relationship_evidence.tenant_id is 'Whose it is.';
comment on column moothill.agent_relationship_evidence.relationship_id is 'The relationship.';
comment on column moothill.agent_relationship_evidence.task_id is 'Id of the task.';
comment on column moothill.agent_relationship_evidence.observed_at is 'When they were seen together.';

create view moothill.agent_relationship_summary with (security_invoker = true, security_barrier = true) as
select r.tenant_id, r.source_id as source_agent_id, a.agent_id, a.name, r.type, count(*) as relationship_count,
       round(avg(r.confidence), 5) as avg_confidence, round(avg(r.strength), 5) as avg_strength,
       max(r.last_observed_at) as last_observed
from (
  select e.tenant_id, e.source_id, e.type, e.confidence, e.strength, e.last_observed_at
  from moothill.agent_relationships e
  union all
  -- An undirected one begins at either end.
  select e.tenant_id, e.target_id, e.type, e.confidence, e.strength, e.last_observed_at
  from moothill.agent_relationships e where not e.directional
) r
join moothill.agents a on a.tenant_id = r.tenant_id and a.id = r.source_id
group by r.tenant_id, r.source_id, a.agent_id, a.name, r.type;
grant select on moothill.agent_relationship_summary to moothill_app, moothill_readonly, moothill_auditor, moothill_sql;
comment on view moothill.agent_relationship_summary is 'Relationships that begin at each agent, by type, in numbers; undirected ones begin at both ends.';

create view moothill.agent_connectivity with (security_invoker = true, security_barrier = true) as
select a.tenant_id, a.id, a.agent_id, a.name, o.directed + o.undirected + i.undirected as outbound_relationships,
       i.directed + i.undirected + o.undirected as inbound_relationships,
       o.directed + o.undirected + i.directed + i.undirected as total_relationships
from moothill.agents a
cross join lateral (
  select count(*) filter (where r.directional) as directed, count(*) filter (where not r.directional) as undirected
  from moothill.agent_relationships r where r.tenant_id = a.tenant_id and r.source_id = a.id
) o
cross join lateral (
  select count(*) filter (where r.directional) as directed, count(*) filter (where not r.directional) as undirected
  from moothill.agent_relationships r where r.tenant_id = a.tenant_id and r.target_id = a.id
) i
where a.deactivated_at is null;
grant select on moothill.agent_connectivity to moothill_app, moothill_readonly, moothill_auditor, moothill_sql;
comment on view moothill.agent_connectivity is 'How many relationships lead out of each agent and into it; undirected ones do both, and count once in the total.';

-- What belongs to an agent: in what an erasure takes with it, its relationships come with their evidence.
select mt.trace('moothill.agent_relationships', 'delete', 15, 'source_id', 'target_id');
select mt.seals('moothill.agent_relationships', '{extraction_context, metadata}');

-- ------------------------------------------------------------------ walking

create function moothill.graph_step(tenant uuid, here uuid[], weights float8[], known uuid[], types text[], lowest numeric,
                                    outward boolean, inward boolean, by_strength boolean, fan integer, room integer,
                                    out others uuid[], out places integer[], out edges uuid[], out kinds text[],
                                    out sure float8[], out worth float8[], out reached bigint, out seen bigint,
                                    out fanned boolean)
  language plpgsql stable as $$
declare
  -- What an edge must be worth to count: 0 where all do.
  bar float8 := 0;
  -- The frontier comes with its best first.
  scouts integer := 4 + 6 * greatest(room, 0) / fan;
  scouted bigint := 0;
begin
  if 2 * scouts <= cardinality(here) then
    -- Of a large frontier most edges cannot come among the best that there is room for. So its best agents go first:
    -- where they alone lead to one agent more than there is room for, what is worth less than all of those is not read.
    with found as materialized (
      select e.other, f.weight * e.sure * case when by_strength then e.strength else 1 end as worth
      from unnest(here[:scouts], weights[:scouts]) as f (id, weight)
      cross join lateral (
        (select r.target_id as other, r.confidence::float8 as sure, r.strength::float8 as strength
         from moothill.agent_relationships r
         where r.tenant_id = tenant and r.source_id = f.id and r.confidence >= lowest
           and (types is null or r.type = any(types)) and (outward or not r.directional)
         order by r.confidence desc limit fan)
        union all
        (select r.source_id, r.confidence::float8, r.strength::float8
         from moothill.agent_relationships r
         where r.tenant_id = tenant and r.target_id = f.id and r.confidence >= lowest
           and (types is null or r.type = any(types)) and (inward or not r.directional)
         order by r.confidence desc limit fan)
        order by sure desc limit fan
      ) e
    ), best as (
      select c.other, max(c.worth) as worth from found c
      where not exists (select from unnest(known) as v (id) where v.id = c.other)
      group by c.other
    )
    select coalesce((select b.worth from best b order by b.worth desc offset greatest(room, 0) limit 1), 0),
           (select count(*) from found)
    into bar, scouted;
  end if;
  with found as materialized (
    select e.other, e.edge, e.kind, e.sure, f.place::integer as place,
           f.weight * e.sure * case when by_strength then e.strength else 1 end as worth
    from unnest(here, weights) with ordinality as f (id, weight, place)
    cross join lateral (
      -- A little less, for what rounding takes away.
      select greatest(lowest, ((bar / nullif(f.weight, 0)) * (1 - 1e-9))::numeric) as least_sure
    ) g
    cross join lateral (
      (select r.target_id as other, r.id as edge, r.type as kind, r.confidence::float8 as sure,
              r.strength::float8 as strength, r.confidence
       from moothill.agent_relationships r
       where r.tenant_id = tenant and r.source_id = f.id and r.confidence >= g.least_sure
         and (types is null or r.type = any(types)) and (outward or not r.directional)
       order by r.confidence desc limit fan)
      union all
      (select r.source_id, r.id, r.type, r.confidence::float8, r.strength::float8, r.confidence
       from moothill.agent_relationships r
       where r.tenant_id = tenant and r.target_id = f.id and r.confidence >= g.least_sure
         and (types is null or r.type = any(types)) and (inward or not r.directional)
       order by r.confidence desc limit fan)
      order by confidence desc limit fan
    ) e
    -- An edge is worth no more than the agent from which it leads.
    where f.weight >= bar * (1 - 1e-9)
  ), best as materialized (
    select distinct on (c.other) c.other, c.place, c.edge, c.kind, c.sure, c.worth
    from found c
    where not exists (select from unnest(known) as v (id) where v.id = c.other)
    order by c.other, c.worth desc, c.edge
  ), kept as (
    select b.* from best b order by b.worth desc, b.other limit room
  )
  select coalesce(array_agg(k.other), '{}'), coalesce(array_agg(k.place), '{}'), coalesce(array_agg(k.edge), '{}'),
         coalesce(array_agg(k.kind), '{}'), coalesce(array_agg(k.sure), '{}'), coalesce(array_agg(k.worth), '{}'),
         (select count(*) from best), (select count(*) from found) + scouted,
         -- Of those that filled their share, whether one has more that count.
         exists (
           select from (select here[c.place] as id, weights[c.place] as weight
                        from found c group by c.place having count(*) = fan) f
           cross join lateral (
             select greatest(lowest, ((bar / nullif(f.weight, 0)) * (1 - 1e-9))::numeric) as least_sure) g
           where fan < (
             select count(*) from (
               (select from moothill.agent_relationships r
                where r.tenant_id = tenant and r.source_id = f.id and r.confidence >= g.least_sure
                  and (types is null or r.type = any(types)) and (outward or not r.directional) limit fan + 1)
               union all
               (select from moothill.agent_relationships r
                where r.tenant_id = tenant and r.target_id = f.id and r.confidence >= g.least_sure
                  and (types is null or r.type = any(types)) and (inward or not r.directional) limit fan + 1)
             ) m))
  into others, places, edges, kinds, sure, worth, reached, seen, fanned
  from kept k;
end $$;
comment on function moothill.graph_step(uuid, uuid[], float8[], uuid[], text[], numeric, boolean, boolean, boolean, integer, integer) is
  'One hop: the agents beside those of a frontier that are not known yet, each by its best edge, the best first. Of an agent, `fan` edges are taken, the surest.';
revoke all on function moothill.graph_step(uuid, uuid[], float8[], uuid[], text[], numeric, boolean, boolean, boolean, integer, integer) from public;
grant execute on function moothill.graph_step(uuid, uuid[], float8[], uuid[], text[], numeric, boolean, boolean, boolean, integer, integer)
  to moothill_search;

create function moothill.graph_walk(tenant uuid, seeds uuid[], weights float8[], hops integer, types text[],
                                    lowest numeric, outward boolean, inward boolean, by_strength boolean, fan integer,
                                    most integer, out agents uuid[], out hop_of integer[], out parents uuid[],
                                    out origins uuid[], out edges uuid[], out kinds text[], out sure float8[],
                                    out worth float8[], out seen bigint, out fanned_at integer, out full_at integer)
  language plpgsql stable as $$
declare
  level integer := 0;
  behind integer := 0;
  known integer;
  step record;
begin
  -- A seed that comes twice counts by its best weight.
  select coalesce(array_agg(s.id), '{}'), coalesce(array_agg(s.weight), '{}') into agents, worth
  from (
    select g.id, max(g.weight) as weight from unnest(seeds, weights) as g (id, weight)
    where g.id is not null group by g.id order by 2 desc, 1 limit most
  ) s;
  known := cardinality(agents);
  origins := agents;
  hop_of := array_fill(0, array[known]);
  sure := array_fill(1::float8, array[known]);
  parents := array_fill(null::uuid, array[known]);
  edges := parents;
  kinds := array_fill(null::text, array[known]);
  seen := 0;
  while level < hops and behind < known loop
    level := level + 1;
    select s.*, array(select agents[behind + p] from unnest(s.places) as p) as parents,
           array(select origins[behind + p] from unnest(s.places) as p) as origins,
           array(select graph_walk.sure[behind + u.p] * u.c from unnest(s.places, s.sure) as u (p, c)) as all_sure
    into step
    from moothill.graph_step(tenant, agents[behind + 1:], worth[behind + 1:], agents, types, lowest, outward, inward,
                             by_strength, fan, most - known) s;
    seen := seen + step.seen;
    fanned_at := coalesce(fanned_at, case when step.fanned then level end);
    agents := agents || step.others;
    hop_of := hop_of || array_fill(level, array[cardinality(step.others)]);
    parents := parents || step.parents;
    origins := origins || step.origins;
    edges := edges || step.edges;
    kinds := kinds || step.kinds;
    sure := sure || step.all_sure;
    worth := worth || step.worth;
    behind := known;
    known := cardinality(agents);
    if step.reached > cardinality(step.others) then
      full_at := level;
      exit;
    end if;
  end loop;
end $$;
comment on function moothill.graph_walk(uuid, uuid[], float8[], integer, text[], numeric, boolean, boolean, boolean, integer, integer) is
  'Breadth first from several weighted agents: each agent at its least hop, by its best way there; at which hop an agent had more than `fan` edges, and at which one more than `most` agents were reached.';
revoke all on function moothill.graph_walk(uuid, uuid[], float8[], integer, text[], numeric, boolean, boolean, boolean, integer, integer) from public;
grant execute on function moothill.graph_walk(uuid, uuid[], float8[], integer, text[], numeric, boolean, boolean, boolean, integer, integer)
  to moothill_search;

create function moothill.graph_expand(tenant uuid, seeds uuid[], weights float8[], hops integer, types text[],
                                      lowest numeric, fan integer, most integer)
  returns table (agent_id uuid, hop integer, parent_id uuid, seed_id uuid, relationship_id uuid, type text,
                 confidence float8, score float8, seen bigint)
  language plpgsql stable security definer set search_path = pg_catalog, moothill, mt, public, pg_temp as $$
begin
  perform mt.same_tenant(tenant);
  return query
  select u.agent, u.hop, u.parent, u.origin, u.edge, u.kind, u.sure, u.worth / (u.hop + 1), w.seen
  from moothill.graph_walk(tenant, seeds, weights, hops, types, lowest, true, true, true, fan, most) w
  cross join lateral unnest(w.agents, w.hop_of, w.parents, w.origins, w.edges, w.kinds, w.sure, w.worth)
    as u (agent, hop, parent, origin, edge, kind, sure, worth);
end $$;
comment on function moothill.graph_expand(uuid, uuid[], float8[], integer, text[], numeric, integer, integer) is
  'Breadth first from several weighted agents at once, edges taken both ways: each agent at its least hop, by its best score, which is the weight of its seed times confidence and strength of every edge, over the hop and one; in each row, how many edges were looked at in all.';
select mt.lend('moothill.graph_expand(uuid, uuid[], float8[], integer, text[], numeric, integer, integer)'::regprocedure,
               'moothill_search');

create function moothill.graph_traverse(tenant uuid, start uuid, hops integer, types text[], lowest numeric,
                                        outward boolean, inward boolean, fan integer, most integer)
  returns table (agents uuid[], hop_of integer[], parents uuid[], edges uuid[], kinds text[], sure float8[],
                 seen bigint, fanned_at integer, full_at integer)
  language plpgsql stable security definer set search_path = pg_catalog, moothill, mt, public, pg_temp as $$
begin
  perform mt.same_tenant(tenant);
  return query
  select w.agents, w.hop_of, w.parents, w.edges, w.kinds, w.sure, w.seen, w.fanned_at, w.full_at
  from moothill.graph_walk(tenant, array[start], array[1::float8], hops, types, lowest, outward, inward, false, fan,
                           most) w;
end $$;
comment on function moothill.graph_traverse(uuid, uuid, integer, text[], numeric, boolean, boolean, integer, integer) is
  'Breadth first from one agent: each agent reached at its least hop, by the way there that is surest.';
select mt.lend('moothill.graph_traverse(uuid, uuid, integer, text[], numeric, boolean, boolean, integer, integer)'::regprocedure,
               'moothill_search');

create function moothill.graph_path(tenant uuid, source uuid, target uuid, hops integer, types text[], lowest numeric,
                                    outward boolean, inward boolean, fan integer, most integer, out agents uuid[],
                                    out edges uuid[], out sure float8, out reached bigint, out seen bigint,
                                    out cut boolean)
  language plpgsql stable security definer set search_path = pg_catalog, moothill, mt, public, pg_temp as $$
declare
  -- From the source (1) and from the target (2): what was reached, by which parent and edge, how surely.
  known1 uuid[] := array[source];
  parents1 uuid[] := array[null::uuid];
  edges1 uuid[] := array[null::uuid];
  here1 uuid[] := array[source];
  sure1 float8[] := array[1::float8];
  known2 uuid[] := array[target];
  parents2 uuid[] := array[null::uuid];
  edges2 uuid[] := array[null::uuid];
  here2 uuid[] := array[target];
  sure2 float8[] := array[1::float8];
  step record;
  middle uuid;
  place integer;
begin
  perform mt.same_tenant(tenant);
  reached := 2;
  seen := 0;
  cut := false;
  for level in 1 .. hops loop
    -- The smaller frontier moves on; the last agents to be met are those of the other one.
    if cardinality(here1) <= cardinality(here2) then
      select s.*, array(select here1[p] from unnest(s.places) as p) as parents into step
      from moothill.graph_step(tenant, here1, sure1, known1, types, lowest, outward, inward, false, fan,
                               most - cardinality(known1)) s;
      here1 := step.others;
      sure1 := step.worth;
      known1 := known1 || step.others;
      parents1 := parents1 || step.parents;
      edges1 := edges1 || step.edges;
    else
      select s.*, array(select here2[p] from unnest(s.places) as p) as parents into step
      from moothill.graph_step(tenant, here2, sure2, known2, types, lowest, inward, outward, false, fan,
                               most - cardinality(known2)) s;
      here2 := step.others;
      sure2 := step.worth;
      known2 := known2 || step.others;
      parents2 := parents2 || step.parents;
      edges2 := edges2 || step.edges;
    end if;
    seen := seen + step.seen;
    reached := reached + cardinality(step.others);
    cut := cut or step.fanned or step.reached > cardinality(step.others);
    select a.id, a.sure * b.sure into middle, sure
    from unnest(here1, sure1) as a (id, sure)
    join unnest(here2, sure2) as b (id, sure) on b.id = a.id
    order by 2 desc, 1
    limit 1;
    exit when middle is not null or cardinality(here1) = 0 or cardinality(here2) = 0;
  end loop;
  if middle is null then
    return;
  end if;
  agents := array[middle];
  edges := '{}';
  loop
    place := array_position(known1, agents[1]);
    exit when parents1[place] is null;
    edges := edges1[place] || edges;
    agents := parents1[place] || agents;
  end loop;
  loop
    place := array_position(known2, agents[cardinality(agents)]);
    exit when parents2[place] is null;
    edges := edges || edges2[place];
    agents := agents || parents2[place];
  end loop;
end $$;
comment on function moothill.graph_path(uuid, uuid, uuid, integer, text[], numeric, boolean, boolean, integer, integer) is
  'A shortest path between two agents, of these the surest, searched from both ends; null agents when there is none.';
select mt.lend('moothill.graph_path(uuid, uuid, uuid, integer, text[], numeric, boolean, boolean, integer, integer)'::regprocedure,
               'moothill_search');

create function moothill.graph_between(tenant uuid, wanted uuid[], types text[], lowest numeric, most integer)
  returns table (id uuid, source_id uuid, target_id uuid, type text, directional boolean, confidence numeric,
                 strength numeric)
  language plpgsql stable security definer set search_path = pg_catalog, moothill, mt, public, pg_temp as $$
#variable_conflict use_column
begin
  perform mt.same_tenant(tenant);
  return query
  select e.* from unnest(wanted) as f (id)
  cross join lateral (
    select r.id, r.source_id, r.target_id, r.type, r.directional, r.confidence, r.strength
    from moothill.agent_relationships r
    where r.tenant_id = tenant and r.source_id = f.id and r.confidence >= lowest
      and (types is null or r.type = any(types))
      and exists (select from unnest(wanted) as t (id) where t.id = r.target_id)
  ) e
  order by e.confidence desc, e.id
  limit most;
end $$;
comment on function moothill.graph_between(uuid, uuid[], text[], numeric, integer) is
  'The relationships among these agents, the surest first.';
select mt.lend('moothill.graph_between(uuid, uuid[], text[], numeric, integer)'::regprocedure, 'moothill_search');
