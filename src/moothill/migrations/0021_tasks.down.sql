-- Takes back what the up file did.

delete from moothill.retention_policies where class in ('tasks', 'task_attempts', 'task_answers');
delete from moothill.retention_classes where name in ('tasks', 'task_attempts', 'task_answers');
delete from moothill.agent_traces
where relation in ('task_lanes', 'tasks', 'task_queue', 'task_outcomes', 'task_attempts', 'task_workers', 'task_answers');
drop function moothill.task_hint(uuid, text[]);
drop function moothill.task_depend(uuid, uuid, uuid, text);
drop function moothill.task_sweep(uuid, integer);
drop function moothill.task_end(uuid, uuid[], text, text);
drop function moothill.task_leave(uuid, jsonb, text, text);
drop function moothill.task_complete(uuid, jsonb);
drop function moothill.task_count(uuid, uuid[], uuid[]);
drop function moothill.task_claim(uuid, text[], uuid, uuid, integer, uuid, double precision, boolean);
drop function moothill.task_let_go(uuid, uuid[], uuid[], uuid[]);
drop function moothill.task_settle(uuid, uuid[]);
drop function mt.task_backoff(jsonb, integer, uuid);
drop function mt.task_rank(timestamptz, integer);
drop view moothill.v_task_queue_summary;
drop view moothill.v_tasks;
drop table moothill.task_hints;
drop table moothill.task_graphs;
drop table moothill.task_dependencies;
drop table moothill.task_workers;
drop table moothill.task_answers;
drop table moothill.task_attempts;
drop table moothill.task_outcomes;
drop table moothill.task_queue;
drop table moothill.task_keys;
drop table moothill.task_tags;
drop table moothill.tasks;
drop table moothill.task_lanes;
drop table moothill.task_slots;
drop table moothill.task_groups;
drop table moothill.task_queues;
drop function mt.sealed_task_answers();
drop function mt.sealed_task_attempts();
drop function mt.sealed_task_outcomes();
drop function mt.sealed_tasks();
