-- Takes back what the up file did.

delete from moothill.retention_policies where class in ('task_progress', 'task_phases');
delete from moothill.retention_classes where name in ('task_progress', 'task_phases');
drop table moothill.task_progress;
drop table moothill.task_phases;
drop function mt.sealed_task_progress();
