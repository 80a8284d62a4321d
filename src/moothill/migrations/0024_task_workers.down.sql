-- Takes back what the up file did.

drop function moothill.task_forget_hints(integer);
drop function moothill.task_tenants(text[], uuid, integer);
revoke select on moothill.task_queues from moothill_jobs;
drop policy jobs_rows on moothill.task_queues;
alter table moothill.task_workers drop column created_by;
