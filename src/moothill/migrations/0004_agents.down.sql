drop index moothill.events_agent_status_idx;
drop index moothill.events_by_agent_idx;
drop view moothill.v_active_agents;
drop table moothill.agent_cards;
drop table moothill.agent_skills;
drop table moothill.agent_tags;
drop table moothill.agents;
