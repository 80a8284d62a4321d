-- Takes back what the up file did.

drop table moothill.task_steps;
drop function mt.sealed_task_steps();
