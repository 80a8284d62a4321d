drop function moothill.graph_expand(uuid, uuid[], float8[], integer, text[], numeric, integer, integer);
drop view moothill.agent_connectivity;
drop view moothill.agent_relationship_summary;
delete from moothill.agent_traces where relation = 'agent_relationships';
drop table moothill.agent_relationship_evidence;
drop table moothill.agent_relationships;
drop function mt.sealed_agent_relationships();
