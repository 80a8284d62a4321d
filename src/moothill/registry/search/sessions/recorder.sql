-- name: write
-- Write down searches that were made; nothing comes back of a tenant or an agent that is erased.
-- returns: run
-- seals: search_sessions.query_text
insert into search_sessions (tenant_id, id, query_text, query_hash, search_type, max_results, max_hops, min_confidence,
                             kinds, result_count, hits, execution_ms, embedding_ms, vector_ms, text_ms, graph_ms,
                             nodes_visited, edges_traversed, max_hops_reached, model, exact, actor_id, actor_kind,
                             real_actor, request, created_at, metadata)
select tn.id, r.id, r.query_text, decode(r.query_hash, 'hex'), r.search_type, r.max_results, r.max_hops,
       r.min_confidence, r.kinds, r.result_count, r.hits, r.execution_ms, r.embedding_ms, r.vector_ms, r.text_ms,
       r.graph_ms, r.nodes_visited, r.edges_traversed, r.max_hops_reached, r.model, r.exact, r.actor_id, r.actor_kind,
       r.real_actor, r.request, mt.uuid7_time(r.id), r.metadata
from tenants tn
cross join jsonb_to_recordset(%(rows)s::jsonb) as r (
  id uuid, query_text text, query_hash text, search_type text, max_results integer, max_hops integer,
  min_confidence numeric, kinds text[], result_count integer, hits uuid[], execution_ms double precision,
  embedding_ms double precision, vector_ms double precision, text_ms double precision, graph_ms double precision,
  nodes_visited integer, edges_traversed integer, max_hops_reached integer, model text, exact boolean, actor_id uuid,
  actor_kind text, real_actor uuid, request uuid, metadata jsonb)
where tn.id = %(tenant)s and tn.status <> 'erasing'
  and search_actor_stays(r.actor_kind, r.actor_id)
on conflict (tenant_id, id) do nothing;
