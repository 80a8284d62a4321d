-- phase: pre
-- Centrality: how much hangs on each agent, computed by a job from the whole graph of a tenant.
--
-- An analysis writes rows of its own, and readers see those of the newest that ended; the rows of the one before go then.

create table moothill.graph_analyses (
  tenant_id uuid not null,
  id uuid not null,
  agents bigint not null constraint graph_analyses_agents_check check (agents >= 0),
  relationships bigint not null constraint graph_analyses_relationships_check check (relationships >= 0),
  left_out bigint not null default 0 constraint graph_analyses_left_out_check check (left_out >= 0),
  samples integer not null constraint graph_analyses_samples_check check (samples >= 0),
  communities integer not null constraint graph_analyses_communities_check check (communities >= 0),
  seconds double precision not null,
  read_at timestamptz not null,
  finished_at timestamptz,
  constraint graph_analyses_pkey primary key (tenant_id, id)
);
select mt.distribute('moothill.graph_analyses');
create index graph_analyses_finished_idx on moothill.graph_analyses (tenant_id, finished_at desc)
  where finished_at is not null;
select mt.protect('moothill.graph_analyses');
grant select, insert, update (finished_at), delete on moothill.graph_analyses to moothill_app;
grant select on moothill.graph_analyses to moothill_readonly, moothill_auditor, moothill_sql;

comment on table moothill.graph_analyses is 'Analyses of a tenant''s relationships: what they covered, and when.';
comment on column moothill.graph_analyses.tenant_id is 'Whose it is.';
comment on column moothill.graph_analyses.id is 'Id, a UUIDv7.';
comment on column moothill.graph_analyses.agents is 'Agents with a relationship that were covered.';
comment on column moothill.graph_analyses.relationships is 'Relationships that were read.';
comment on column moothill.graph_analyses.left_out is 'Relationships beyond the most that one analysis reads.';
comment on column moothill.graph_analyses.samples is 'Agents from which betweenness was estimated; all of them where there are no more.';
comment on column moothill.graph_analyses.communities is 'Communities that were found.';
comment on column moothill.graph_analyses.seconds is 'How long the computing took.';
comment on column moothill.graph_analyses.read_at is 'When it began to read: later changes may be missing.';
comment on column moothill.graph_analyses.finished_at is 'When its rows were complete; null while they are being written.';

create table moothill.agent_centrality (
  tenant_id uuid not null,
  analysis_id uuid not null,
  agent_id uuid not null,
  degree bigint not null,
  in_degree bigint not null,
  out_degree bigint not null,
  degree_centrality double precision not null,
  pagerank double precision not null,
  betweenness double precision not null,
  community integer not null,
  constraint agent_centrality_pkey primary key (tenant_id, analysis_id, agent_id),
  constraint agent_centrality_analysis_fkey foreign key (tenant_id, analysis_id)
    references moothill.graph_analyses (tenant_id, id) on delete cascade,
  constraint agent_centrality_agent_fkey foreign key (tenant_id, agent_id) references moothill.agents (tenant_id, id)
);
select mt.distribute('moothill.agent_centrality');
create index agent_centrality_agent_idx on moothill.agent_centrality (tenant_id, agent_id);
create index agent_centrality_pagerank_idx on moothill.agent_centrality (tenant_id, analysis_id, pagerank desc, agent_id);
create index agent_centrality_degree_idx on moothill.agent_centrality (tenant_id, analysis_id, degree desc, agent_id);
create index agent_centrality_betweenness_idx
  on moothill.agent_centrality (tenant_id, analysis_id, betweenness desc, agent_id);
create index agent_centrality_community_idx
  on moothill.agent_centrality (tenant_id, analysis_id, community, pagerank desc, agent_id);
select mt.protect('moothill.agent_centrality');
grant select, insert, delete on moothill.agent_centrality to moothill_app;
grant select on moothill.agent_centrality to moothill_readonly, moothill_auditor, moothill_sql;

comment on table moothill.agent_centrality is 'How central each agent is among the relationships of its tenant, by an analysis.';
comment on column moothill.agent_centrality.tenant_id is 'Whose it is.';
comment on column moothill.agent_centrality.analysis_id is 'The analysis.';
comment on column moothill.agent_centrality.agent_id is 'The agent.';
comment on column moothill.agent_centrality.degree is 'Its relationships, each once.';
comment on column moothill.agent_centrality.in_degree is 'Those that lead into it; undirected ones do.';
comment on column moothill.agent_centrality.out_degree is 'Those that lead out of it; undirected ones do.';
comment on column moothill.agent_centrality.degree_centrality is 'Agents that it is connected with, of all others covered, 0 to 1.';
comment on column moothill.agent_centrality.pagerank is 'PageRank, damping 0.85, weighted by confidence and strength; they sum to 1.';
comment on column moothill.agent_centrality.betweenness is 'Share of the shortest paths between others that run through it, 0 to 1, estimated from samples.';
comment on column moothill.agent_centrality.community is 'Its community, numbered from 0 by size.';

select mt.trace('moothill.agent_centrality', 'delete', 16, 'agent_id');
