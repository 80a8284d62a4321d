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
comment on column moothill.agent_relationships.measured_at is 'When the two were computed.';
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

create function moothill.graph_expand(tenant uuid, seeds uuid[], weights float8[], hops integer, types text[],
                                      lowest numeric, fan integer, most integer)
  returns table (agent_id uuid, hop integer, parent_id uuid, seed_id uuid, relationship_id uuid, type text,
                 confidence float8, score float8)
  language plpgsql stable security definer set search_path = pg_catalog, moothill, mt, public, pg_temp as $$
#variable_conflict use_column
declare
  level integer := 0;
  reached uuid[];
  here uuid[];
  origins uuid[];
  worth float8[];
  sure float8[];
  parents uuid[];
  edges uuid[];
  kinds text[];
  scores float8[];
begin
  perform mt.same_tenant(tenant);
  -- A seed that comes twice counts by its best weight.
  select array_agg(s.id order by s.weight desc, s.id), array_agg(s.weight order by s.weight desc, s.id)
  into here, worth
  from (
    select g.id, max(g.weight) as weight from unnest(seeds, weights) as g (id, weight)
    where g.id is not null group by g.id order by 2 desc, 1 limit most
  ) s;
  origins := here;
  reached := here;
  sure := array_fill(1::float8, array[coalesce(cardinality(here), 0)]);
  scores := worth;
  loop
    return query
    select f.id, level, f.parent, f.origin, f.edge, f.kind, f.sure, f.score
    from unnest(here, parents, origins, edges, kinds, sure, scores)
      as f (id, parent, origin, edge, kind, sure, score)
    where f.id is not null;
    exit when level >= hops or coalesce(cardinality(here), 0) = 0 or cardinality(reached) >= most;
    level := level + 1;
    select array_agg(n.id), array_agg(n.parent), array_agg(n.origin), array_agg(n.edge), array_agg(n.kind),
           array_agg(n.sure), array_agg(n.worth), array_agg(n.worth / (level + 1))
    into here, parents, origins, edges, kinds, sure, worth, scores
    from (
      select b.* from (
        select distinct on (e.other) e.other as id, f.id as parent, f.origin, e.edge, e.kind, f.sure * e.confidence as sure,
               f.worth * e.confidence * e.strength as worth
        from unnest(here, origins, sure, worth) as f (id, origin, sure, worth)
        cross join lateral (
          select u.other, u.edge, u.kind, u.confidence, u.strength from (
            (select r.target_id as other, r.id as edge, r.type as kind, r.confidence, r.strength
             from moothill.agent_relationships r
             where r.tenant_id = tenant and r.source_id = f.id and r.confidence >= lowest
               and (types is null or r.type = any(types))
             order by r.confidence desc limit fan)
            union all
            (select r.source_id, r.id, r.type, r.confidence, r.strength
             from moothill.agent_relationships r
             where r.tenant_id = tenant and r.target_id = f.id and r.confidence >= lowest
               and (types is null or r.type = any(types))
             order by r.confidence desc limit fan)
          ) u order by u.confidence desc limit fan
        ) e
        where not exists (select from unnest(reached) as v (id) where v.id = e.other)
        order by e.other, f.worth * e.confidence * e.strength desc, e.edge
      ) b
      order by b.worth desc, b.id
      limit most - cardinality(reached)
    ) n;
    reached := reached || here;
  end loop;
end $$;
comment on function moothill.graph_expand(uuid, uuid[], float8[], integer, text[], numeric, integer, integer) is
  'Breadth first from several weighted agents at once, edges taken both ways: each agent at its least hop, by its best score, which is the weight of its seed times confidence and strength of every edge, over the hop and one.';
select mt.lend('moothill.graph_expand(uuid, uuid[], float8[], integer, text[], numeric, integer, integer)'::regprocedure,
               'moothill_search');
