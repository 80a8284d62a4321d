-- Takes back what the up file did.

drop table moothill.task_steps;
drop function mt.sealed_task_steps();
delete from moothill.retention_policies where class = 'task_steps';
delete from moothill.retention_classes where name = 'task_steps';
