drop view moothill.agent_capability_summary;
drop table moothill.capability_evidence;
drop table moothill.capability_labels;
drop table moothill.capabilities;
