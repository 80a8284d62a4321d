-- Takes back what the up file did.

delete from moothill.retention_policies where class = 'task_progress';
delete from moothill.retention_classes where name = 'task_progress';
drop table moothill.task_progress;
drop table moothill.task_phases;
drop function mt.sealed_task_progress();
