drop function moothill.search_probe(uuid, text, uuid, uuid, integer[], integer);
drop function moothill.search_sample(uuid, text, integer, text);
alter table moothill.embedding_placements drop column tuned_vectors;
drop table moothill.search_judgements;
drop table moothill.search_judged_queries;
drop table moothill.search_feedback;
drop view moothill.search_performance_by_type;
drop view moothill.popular_search_queries;
drop view moothill.slow_search_queries;
drop function moothill.search_actor_stays(text, uuid);
drop table moothill.search_sessions;
drop function mt.sealed_search_judged_queries();
drop function mt.sealed_search_sessions();
delete from moothill.agent_traces
where relation in ('search_sessions', 'search_feedback', 'search_judgements');
delete from moothill.retention_classes where name in ('search_sessions', 'search_feedback');
