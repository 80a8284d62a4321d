-- phase: pre
-- Steps: what the holder of a task has done for good, so that the next attempt goes on behind it.

create table moothill.task_steps (
  tenant_id uuid not null,
  task_id uuid not null,
  name text not null constraint task_steps_name_check check (length(name) between 1 and 100),
  result jsonb not null default '{}',
  attempt integer not null,
  recorded_at timestamptz not null default now(),
  constraint task_steps_pkey primary key (tenant_id, task_id, name),
  constraint task_steps_task_fkey foreign key (tenant_id, task_id) references moothill.tasks (tenant_id, id) on delete cascade
);
select mt.distribute('moothill.task_steps');
select mt.protect('moothill.task_steps');
grant select, insert on moothill.task_steps to moothill_app;
grant select on moothill.task_steps to moothill_readonly, moothill_auditor;
grant select (tenant_id, task_id, name, attempt, recorded_at) on moothill.task_steps to moothill_sql;
comment on table moothill.task_steps is 'What holders of tasks have done for good: the first result of a name counts, whichever attempt comes again.';
comment on column moothill.task_steps.tenant_id is 'Whose it is.';
comment on column moothill.task_steps.task_id is 'The task.';
comment on column moothill.task_steps.name is 'What was done, as its holder calls it.';
comment on column moothill.task_steps.result is 'What came out of it.';
comment on column moothill.task_steps.attempt is 'The attempt that did it.';
comment on column moothill.task_steps.recorded_at is 'When.';

select mt.seals('moothill.task_steps', '{result}');
select mt.no_samples('moothill.task_steps', '{result}');
select mt.retain('task_steps', 'moothill.task_steps', 'recorded_at', 'retain', null,
                 'Results of steps, kept with their task.', 1, '{retain}');
