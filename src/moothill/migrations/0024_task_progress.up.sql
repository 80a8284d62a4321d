-- phase: pre
-- How far work is: what holders of tasks say meanwhile.

create table moothill.task_phases (
  tenant_id uuid not null,
  task_id uuid not null,
  attempt integer not null,
  phase text not null constraint task_phases_phase_check check (length(phase) between 1 and 100),
  percentage numeric(5, 2) not null constraint task_phases_percentage_check check (percentage between 0 and 100),
  reports bigint not null default 1,
  began_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint task_phases_pkey primary key (tenant_id, task_id, attempt, phase),
  constraint task_phases_task_fkey foreign key (tenant_id, task_id) references moothill.tasks (tenant_id, id) on delete cascade
) with (fillfactor = 70);
select mt.distribute('moothill.task_phases');
select mt.protect('moothill.task_phases');
grant select, insert, update on moothill.task_phases to moothill_app;
grant select on moothill.task_phases to moothill_readonly, moothill_auditor, moothill_sql;
comment on table moothill.task_phases is 'How far each phase of an attempt is: the row that two reports meet at, so that none goes back.';
comment on column moothill.task_phases.tenant_id is 'Whose it is.';
comment on column moothill.task_phases.task_id is 'The task.';
comment on column moothill.task_phases.attempt is 'Number of the attempt; another one begins anew.';
comment on column moothill.task_phases.phase is 'Name of the phase, as its holder calls it.';
comment on column moothill.task_phases.percentage is 'How far it is, 0 to 100; it never falls.';
comment on column moothill.task_phases.reports is 'How often that was said.';
comment on column moothill.task_phases.began_at is 'When it was first said.';
comment on column moothill.task_phases.updated_at is 'When it was last said.';

create table moothill.task_progress (
  tenant_id uuid not null,
  id uuid not null,
  task_id uuid not null,
  attempt integer not null,
  phase text not null constraint task_progress_phase_check check (length(phase) between 1 and 100),
  percentage numeric(5, 2) not null constraint task_progress_percentage_check check (percentage between 0 and 100),
  -- Sealed, two thousand characters of four bytes take 10,700.
  message text constraint task_progress_message_check check (length(message) <= 12000),
  metadata jsonb not null default '{}',
  created_at timestamptz not null default now(),
  constraint task_progress_pkey primary key (tenant_id, id),
  constraint task_progress_task_fkey foreign key (tenant_id, task_id) references moothill.tasks (tenant_id, id) on delete cascade
);
select mt.distribute('moothill.task_progress');
create index task_progress_task_idx on moothill.task_progress (tenant_id, task_id, id);
select mt.protect('moothill.task_progress');
select mt.seals('moothill.task_progress', '{message, metadata}');
select mt.no_samples('moothill.task_progress', '{message, metadata}');
select mt.retain('task_progress', 'moothill.task_progress', 'id', 'delete', 90,
                 'What holders of tasks said of how far they were; 90 days.');
grant select, insert on moothill.task_progress to moothill_app;
grant select on moothill.task_progress to moothill_readonly, moothill_auditor;
grant select (tenant_id, id, task_id, attempt, phase, percentage, created_at) on moothill.task_progress to moothill_sql;
comment on table moothill.task_progress is 'What holders of tasks said of how far they were, a row for each time.';
comment on column moothill.task_progress.tenant_id is 'Whose it is.';
comment on column moothill.task_progress.id is 'Id, a UUIDv7: rises with time.';
comment on column moothill.task_progress.task_id is 'The task.';
comment on column moothill.task_progress.attempt is 'Number of the attempt.';
comment on column moothill.task_progress.phase is 'Name of the phase.';
comment on column moothill.task_progress.percentage is 'How far the phase was, 0 to 100.';
comment on column moothill.task_progress.message is 'What its holder said with it.';
comment on column moothill.task_progress.metadata is 'What else it said.';
comment on column moothill.task_progress.created_at is 'When.';
select mt.retain('task_phases', 'moothill.task_phases', 'updated_at', 'retain', null,
                 'How far each phase of an attempt came, kept with its task.', 1, '{retain}');
