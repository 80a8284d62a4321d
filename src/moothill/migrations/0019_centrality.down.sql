delete from moothill.agent_traces where relation = 'agent_centrality';
drop table moothill.agent_centrality;
drop table moothill.graph_analyses;
