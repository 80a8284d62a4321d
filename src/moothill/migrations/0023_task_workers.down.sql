-- Takes back what the up file did.

drop function moothill.task_forget_hints(integer);
drop function moothill.task_tenants(text[], uuid, integer);
alter table moothill.task_workers drop column created_by;
update moothill.agent_traces set columns = '{agent_id}' where relation = 'task_workers';
