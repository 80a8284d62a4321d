-- phase: pre
-- Tasks: what is to be done, where it stands, and how it ended.
--
-- A task is one row of `tasks`, which says what it is and rarely changes, and one row of either `task_queue`, while it
-- lives, or `task_outcomes`, once it has ended. Where it stands is the state of that row, so that the hot table stays
-- narrow and small whatever the history holds, and a move is one statement: an update of the row that lives, or its
-- deletion with the outcome that takes its place. Neither refers to `tasks` by a foreign key: the check would lock the
-- task for each of its moves, and one statement writes both.

-- ------------------------------------------------------------------ queues, groups, lanes

create table moothill.task_queues (
  tenant_id uuid not null,
  name text not null constraint task_queues_name_check check (length(name) between 1 and 100),
  paused_at timestamptz,
  pause_reason text,
  updated_at timestamptz not null default now(),
  constraint task_queues_pkey primary key (tenant_id, name)
);
select mt.distribute('moothill.task_queues');
select mt.protect('moothill.task_queues');
grant select, insert, update, delete on moothill.task_queues to moothill_app;
grant select on moothill.task_queues to moothill_readonly, moothill_auditor, moothill_sql;
comment on table moothill.task_queues is 'Queues of which something was said; others exist by their tasks.';
comment on column moothill.task_queues.tenant_id is 'Whose it is.';
comment on column moothill.task_queues.name is 'Its name.';
comment on column moothill.task_queues.paused_at is 'Since when nothing is handed out of it.';
comment on column moothill.task_queues.pause_reason is 'Why it is paused.';
comment on column moothill.task_queues.updated_at is 'When this was last said.';

create table moothill.task_groups (
  tenant_id uuid not null,
  queue text not null constraint task_groups_queue_check check (length(queue) between 1 and 100),
  name text not null constraint task_groups_name_check check (length(name) <= 100),
  weight integer not null default 1 constraint task_groups_weight_check check (weight between 1 and 1000),
  max_running integer constraint task_groups_running_check check (max_running between 1 and 10000),
  rate_limit integer constraint task_groups_rate_check check (rate_limit between 1 and 1000000),
  rate_seconds integer constraint task_groups_seconds_check check (rate_seconds between 1 and 86400),
  tokens double precision not null default 0,
  filled_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint task_groups_pkey primary key (tenant_id, queue, name),
  constraint task_groups_pair_check check ((rate_limit is null) = (rate_seconds is null))
) with (fillfactor = 70);
select mt.distribute('moothill.task_groups');
select mt.protect('moothill.task_groups');
grant select, insert, update, delete on moothill.task_groups to moothill_app;
grant select on moothill.task_groups to moothill_readonly, moothill_auditor, moothill_sql;
comment on table moothill.task_groups is 'Groups of tasks with a share or a limit of their own; others have weight 1 and no limit.';
comment on column moothill.task_groups.tenant_id is 'Whose it is.';
comment on column moothill.task_groups.queue is 'The queue that it is part of.';
comment on column moothill.task_groups.name is 'Its name; empty: tasks without a group.';
comment on column moothill.task_groups.weight is 'Its share beside the other groups of the queue.';
comment on column moothill.task_groups.max_running is 'How many of its tasks may be held at once.';
comment on column moothill.task_groups.rate_limit is 'How many of its tasks may be begun in `rate_seconds`.';
comment on column moothill.task_groups.rate_seconds is 'The seconds of the rate.';
comment on column moothill.task_groups.tokens is 'What the rate left when it was last drawn on.';
comment on column moothill.task_groups.filled_at is 'When that was.';
comment on column moothill.task_groups.updated_at is 'When share or limits were last set.';

create table moothill.task_slots (
  tenant_id uuid not null,
  queue text not null,
  group_name text not null,
  number integer not null,
  task_id uuid,
  constraint task_slots_pkey primary key (tenant_id, queue, group_name, number),
  constraint task_slots_group_fkey foreign key (tenant_id, queue, group_name)
    references moothill.task_groups (tenant_id, queue, name) on delete cascade
) with (fillfactor = 50);
select mt.distribute('moothill.task_slots');
create unique index task_slots_task_key on moothill.task_slots (tenant_id, task_id) where task_id is not null;
select mt.protect('moothill.task_slots');
grant select, insert, update, delete on moothill.task_slots to moothill_app;
grant select on moothill.task_slots to moothill_readonly, moothill_auditor;
comment on table moothill.task_slots is 'The places of a group that limits how many of its tasks are held at once: a place that is locked or taken cannot be taken again, where a count would not see a rival.';
comment on column moothill.task_slots.tenant_id is 'Whose it is.';
comment on column moothill.task_slots.queue is 'The queue.';
comment on column moothill.task_slots.group_name is 'The group.';
comment on column moothill.task_slots.number is 'Which place.';
comment on column moothill.task_slots.task_id is 'The task that holds it.';

create table moothill.task_lanes (
  tenant_id uuid not null,
  id uuid not null,
  queue text not null constraint task_lanes_queue_check check (length(queue) between 1 and 100),
  group_name text not null default '' constraint task_lanes_group_check check (length(group_name) <= 100),
  skills jsonb,
  capability text,
  agent_type text,
  agent_id uuid,
  is_open boolean not null default true,
  used_at timestamptz not null default now(),
  constraint task_lanes_pkey primary key (tenant_id, id)
);
select mt.distribute('moothill.task_lanes');
create index task_lanes_queue_idx on moothill.task_lanes (tenant_id, queue, group_name);
create index task_lanes_open_idx on moothill.task_lanes (tenant_id, id) where is_open;
select mt.protect('moothill.task_lanes');
grant select, insert, update, delete on moothill.task_lanes to moothill_app;
grant select on moothill.task_lanes to moothill_readonly, moothill_auditor;
comment on table moothill.task_lanes is 'What tasks of a queue have in common that decides who may take them. A claim first finds the lanes that it may serve, which are few, and then takes tasks of each along one index.';
comment on column moothill.task_lanes.tenant_id is 'Whose it is.';
comment on column moothill.task_lanes.id is 'Made of all that follows, so that who adds tasks need not ask for it.';
comment on column moothill.task_lanes.queue is 'The queue.';
comment on column moothill.task_lanes.group_name is 'The group within the queue.';
comment on column moothill.task_lanes.skills is 'Skills that an agent needs: [{"skill", "minimum"}].';
comment on column moothill.task_lanes.capability is 'Canonical name of a capability that it needs.';
comment on column moothill.task_lanes.agent_type is 'The type that it has to be of.';
comment on column moothill.task_lanes.agent_id is 'The agent to whom alone they are given.';
comment on column moothill.task_lanes.is_open is 'Whether a claim looks at it; one that was not used for a day and holds nothing is closed, until it is used again.';
comment on column moothill.task_lanes.used_at is 'When a task was last added, to the hour.';

-- ------------------------------------------------------------------ tasks

create table moothill.tasks (
  tenant_id uuid not null,
  id uuid not null,
  task_id text constraint tasks_task_id_check check (length(task_id) between 1 and 255),
  title text not null constraint tasks_title_check check (length(title) between 1 and 500),
  -- Sealed, ten thousand characters of four bytes take 53,400.
  description text not null default '' constraint tasks_description_check check (length(description) <= 60000),
  kind text not null default 'task' constraint tasks_kind_check check (length(kind) between 1 and 100),
  queue text not null default 'default' constraint tasks_queue_check check (length(queue) between 1 and 100),
  group_name text not null default '' constraint tasks_group_check check (length(group_name) <= 100),
  lane_id uuid not null,
  priority integer not null default 2 constraint tasks_priority_check check (priority between 0 and 4),
  risk_tier integer not null default 2 constraint tasks_risk_check check (risk_tier between 1 and 3),
  execution_mode text not null default 'auto'
    constraint tasks_mode_check check (execution_mode in ('auto', 'supervised', 'dry-run', 'manual')),
  complexity text constraint tasks_complexity_check check (length(complexity) between 1 and 50),
  payload jsonb not null default '{}',
  requirements jsonb not null default '{}',
  constraints jsonb not null default '{}',
  budget_files integer constraint tasks_files_check check (budget_files >= 0),
  budget_lines integer constraint tasks_lines_check check (budget_lines >= 0),
  estimated_ms bigint constraint tasks_estimate_check check (estimated_ms >= 0),
  deadline timestamptz,
  timeout_seconds integer constraint tasks_timeout_check check (timeout_seconds between 1 and 2592000),
  max_attempts integer not null default 3 constraint tasks_attempts_check check (max_attempts between 1 and 100),
  retry jsonb,
  tags text[] not null default '{}',
  metadata jsonb not null default '{}',
  parent_id uuid,
  created_by uuid not null,
  assigned_by uuid,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  deleted_at timestamptz,
  version integer not null default 1,
  constraint tasks_pkey primary key (tenant_id, id)
);
select mt.distribute('moothill.tasks');
create unique index tasks_task_id_key on moothill.tasks (tenant_id, task_id) where task_id is not null;
create index tasks_parent_idx on moothill.tasks (tenant_id, parent_id, id) where parent_id is not null;
select mt.protect('moothill.tasks');
grant select, insert, update on moothill.tasks to moothill_app;
grant select on moothill.tasks to moothill_readonly, moothill_auditor;
grant select (tenant_id, id, task_id, title, kind, queue, group_name, priority, risk_tier, execution_mode, complexity,
              requirements, constraints, budget_files, budget_lines, estimated_ms, deadline, timeout_seconds,
              max_attempts, tags, parent_id, created_by, assigned_by, created_at, updated_at, deleted_at, version)
  on moothill.tasks to moothill_sql;
comment on table moothill.tasks is 'What is to be done. Where it stands is said in task_queue, how it ended in task_outcomes; v_tasks shows all three.';
comment on column moothill.tasks.tenant_id is 'Whose it is.';
comment on column moothill.tasks.id is 'Id, a UUIDv7: rises with creation.';
comment on column moothill.tasks.task_id is 'The caller''s own key.';
comment on column moothill.tasks.title is 'What it is about, in a line.';
comment on column moothill.tasks.description is 'What is to be done, in prose.';
comment on column moothill.tasks.kind is 'What sort of work it is: the name of a handler, or a word of the tenant''s own.';
comment on column moothill.tasks.queue is 'The queue that it is in.';
comment on column moothill.tasks.group_name is 'The group in the queue that it shares with; empty: none.';
comment on column moothill.tasks.lane_id is 'The lane in which it waits, now or if it were handed out again.';
comment on column moothill.tasks.priority is '0 critical, 1 high, 2 normal, 3 low, 4 background.';
comment on column moothill.tasks.risk_tier is '1 (highest risk) to 3.';
comment on column moothill.tasks.execution_mode is 'auto, supervised, dry-run or manual: what its holder may do by itself.';
comment on column moothill.tasks.complexity is 'How hard it is, in the tenant''s own words.';
comment on column moothill.tasks.payload is 'What its holder works on.';
comment on column moothill.tasks.requirements is 'Who may take it: skills, capability, agent type, agent.';
comment on column moothill.tasks.constraints is 'What its holder has to keep to, in the tenant''s own words.';
comment on column moothill.tasks.budget_files is 'How many files it may change.';
comment on column moothill.tasks.budget_lines is 'How many lines it may change.';
comment on column moothill.tasks.estimated_ms is 'How long it should take, milliseconds.';
comment on column moothill.tasks.deadline is 'When it has to have ended; it fails then.';
comment on column moothill.tasks.timeout_seconds is 'How long one attempt may take.';
comment on column moothill.tasks.max_attempts is 'How many attempts may fail before it does.';
comment on column moothill.tasks.retry is 'Seconds before the next attempt: base, factor, most; null: 5, 2, 3600.';
comment on column moothill.tasks.tags is 'Labels, in its own order; task_tags finds by them.';
comment on column moothill.tasks.metadata is 'What else its source said.';
comment on column moothill.tasks.parent_id is 'The task whose holder added it.';
comment on column moothill.tasks.created_by is 'Who added it.';
comment on column moothill.tasks.assigned_by is 'Who gave it to its agent.';
comment on column moothill.tasks.created_at is 'When it was added.';
comment on column moothill.tasks.updated_at is 'When what it says last changed.';
comment on column moothill.tasks.deleted_at is 'When it was removed from sight.';
comment on column moothill.tasks.version is 'Rises with each change of what it says.';

create table moothill.task_tags (
  tenant_id uuid not null,
  tag text not null constraint task_tags_tag_check check (length(tag) between 1 and 100),
  task_id uuid not null,
  constraint task_tags_pkey primary key (tenant_id, tag, task_id),
  constraint task_tags_task_fkey foreign key (tenant_id, task_id) references moothill.tasks (tenant_id, id) on delete cascade
);
select mt.distribute('moothill.task_tags');
create index task_tags_task_idx on moothill.task_tags (tenant_id, task_id);
select mt.protect('moothill.task_tags');
grant select, insert, delete on moothill.task_tags to moothill_app;
grant select on moothill.task_tags to moothill_readonly, moothill_auditor, moothill_sql;
comment on table moothill.task_tags is 'Labels of tasks as rows: a B-tree answers under row security, where an index of arrays would not.';
comment on column moothill.task_tags.tenant_id is 'Whose it is.';
comment on column moothill.task_tags.tag is 'The label, in canonical form.';
comment on column moothill.task_tags.task_id is 'Id of the task.';

create table moothill.task_keys (
  tenant_id uuid not null,
  key text not null constraint task_keys_key_check check (length(key) between 1 and 255),
  task_id uuid not null,
  until timestamptz,
  constraint task_keys_pkey primary key (tenant_id, key)
);
select mt.distribute('moothill.task_keys');
create index task_keys_task_idx on moothill.task_keys (tenant_id, task_id);
select mt.protect('moothill.task_keys');
grant select, insert, update, delete on moothill.task_keys to moothill_app;
grant select on moothill.task_keys to moothill_readonly, moothill_auditor;
comment on table moothill.task_keys is 'Unique keys: while one holds, adding a task under it gives the task that is there.';
comment on column moothill.task_keys.tenant_id is 'Whose it is.';
comment on column moothill.task_keys.key is 'The key.';
comment on column moothill.task_keys.task_id is 'The task that holds it.';
comment on column moothill.task_keys.until is 'Until when it holds; null: as long as the task lives.';

-- ------------------------------------------------------------------ where tasks stand

create table moothill.task_queue (
  tenant_id uuid not null,
  id uuid not null,
  state text not null constraint task_queue_state_check
    check (state in ('pending', 'blocked', 'scheduled', 'assigned', 'in_progress', 'waiting', 'paused', 'retry')),
  lane_id uuid not null,
  priority integer not null default 2,
  rank timestamptz not null,
  attempt integer not null default 0 constraint task_queue_attempt_check check (attempt >= 0),
  failures integer not null default 0 constraint task_queue_failures_check check (failures >= 0),
  blockers integer not null default 0 constraint task_queue_blockers_check check (blockers >= 0),
  has_parents boolean not null default false,
  has_dependents boolean not null default false,
  has_answers boolean not null default false,
  token uuid,
  agent_id uuid,
  worker_id uuid,
  slot integer,
  claimed_at timestamptz,
  started_at timestamptz,
  due_at timestamptz,
  deadline timestamptz,
  expires_at timestamptz,
  alarm_at timestamptz generated always as (
    least(case when state in ('scheduled', 'retry') then due_at end, deadline, expires_at)) stored,
  timeout_seconds integer,
  cancel_asked_at timestamptz,
  note text constraint task_queue_note_check check (length(note) <= 2000),
  signal text constraint task_queue_signal_check check (length(signal) between 1 and 100),
  entered_at timestamptz default now(),
  constraint task_queue_pkey primary key (tenant_id, id),
  constraint task_queue_held_check check ((state in ('assigned', 'in_progress')) = (token is not null))
) with (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000);
select mt.distribute('moothill.task_queue');
create index task_queue_pending_idx on moothill.task_queue (tenant_id, lane_id, rank, id) where state = 'pending';
create index task_queue_state_idx on moothill.task_queue (tenant_id, state, id) where state <> 'pending';
create index task_queue_alarm_idx on moothill.task_queue (tenant_id, alarm_at, id) where alarm_at is not null;
select mt.protect('moothill.task_queue');
grant select, insert, update, delete on moothill.task_queue to moothill_app;
grant select on moothill.task_queue to moothill_readonly, moothill_auditor;
grant select (tenant_id, id, state, lane_id, priority, rank, attempt, failures, blockers, agent_id, worker_id, claimed_at,
              started_at, due_at, deadline, expires_at, cancel_asked_at, note, signal, entered_at)
  on moothill.task_queue to moothill_sql;
comment on table moothill.task_queue is 'Where each task that has not ended stands: narrow, hot, one row a task.';
comment on column moothill.task_queue.tenant_id is 'Whose it is.';
comment on column moothill.task_queue.id is 'Id of the task.';
comment on column moothill.task_queue.state is 'Where it stands.';
comment on column moothill.task_queue.lane_id is 'The lane in which it waits.';
comment on column moothill.task_queue.priority is 'How urgent it is, as the task says.';
comment on column moothill.task_queue.rank is 'Its place in the lane: when it was added or due, later by what its priority is worth. It never changes by waiting, and yet who waits long comes before who came later.';
comment on column moothill.task_queue.attempt is 'Number of the last attempt; each has its own.';
comment on column moothill.task_queue.failures is 'Attempts that failed or were lost.';
comment on column moothill.task_queue.blockers is 'Dependencies that it still waits for.';
comment on column moothill.task_queue.has_parents is 'Whether it depends on others.';
comment on column moothill.task_queue.has_dependents is 'Whether others depend on it.';
comment on column moothill.task_queue.has_answers is 'Whether somebody answered while it waited.';
comment on column moothill.task_queue.token is 'The token of the attempt that holds it; whoever says another is refused.';
comment on column moothill.task_queue.agent_id is 'The agent that holds it, or held it last.';
comment on column moothill.task_queue.worker_id is 'The worker whose heartbeats keep it.';
comment on column moothill.task_queue.slot is 'Its place in a group that limits how many are held.';
comment on column moothill.task_queue.claimed_at is 'When it was handed out.';
comment on column moothill.task_queue.started_at is 'When its holder began.';
comment on column moothill.task_queue.due_at is 'When it becomes pending.';
comment on column moothill.task_queue.deadline is 'When it has to have ended.';
comment on column moothill.task_queue.expires_at is 'When the attempt ends if nobody keeps it: its time limit, or the lease of a holder without a worker.';
comment on column moothill.task_queue.alarm_at is 'The first moment at which somebody has to look at it.';
comment on column moothill.task_queue.timeout_seconds is 'How long an attempt may take.';
comment on column moothill.task_queue.cancel_asked_at is 'Since when its holder is asked to stop.';
comment on column moothill.task_queue.note is 'Why it stands there: a reason, or what it waits for.';
comment on column moothill.task_queue.signal is 'The signal that it waits for.';
comment on column moothill.task_queue.entered_at is 'Since when it stands there; null while somebody holds it.';

create table moothill.task_outcomes (
  tenant_id uuid not null,
  id uuid not null,
  status text not null constraint task_outcomes_status_check check (status in ('completed', 'failed', 'cancelled')),
  dead_letter boolean not null default false,
  attempt integer not null,
  failures integer not null default 0,
  token uuid,
  agent_id uuid,
  worker_id uuid,
  claimed_at timestamptz,
  started_at timestamptz,
  ended_at timestamptz not null,
  result jsonb,
  reason text constraint task_outcomes_reason_check check (length(reason) <= 2000),
  quality numeric(5, 4) constraint task_outcomes_quality_check check (quality between 0 and 1),
  files_used integer constraint task_outcomes_files_check check (files_used >= 0),
  lines_used integer constraint task_outcomes_lines_check check (lines_used >= 0),
  archived_at timestamptz,
  constraint task_outcomes_pkey primary key (tenant_id, id)
);
select mt.distribute('moothill.task_outcomes');
create index task_outcomes_agent_idx on moothill.task_outcomes (tenant_id, agent_id, ended_at desc, id) where agent_id is not null;
create index task_outcomes_failed_idx on moothill.task_outcomes (tenant_id, status, id) where status <> 'completed';
create index task_outcomes_archived_idx on moothill.task_outcomes (tenant_id, id) where archived_at is not null;
-- Outcomes come in the order in which tasks end, so that the smallest of indexes finds a span of time.
create index task_outcomes_ended_idx on moothill.task_outcomes using brin (ended_at) with (pages_per_range = 16);
select mt.protect('moothill.task_outcomes');
grant select, insert, update, delete on moothill.task_outcomes to moothill_app;
grant select on moothill.task_outcomes to moothill_readonly, moothill_auditor;
grant select (tenant_id, id, status, dead_letter, attempt, failures, agent_id, worker_id, claimed_at, started_at, ended_at,
              quality, files_used, lines_used, archived_at)
  on moothill.task_outcomes to moothill_sql;
comment on table moothill.task_outcomes is 'How tasks ended, and the attempt that ended them.';
comment on column moothill.task_outcomes.tenant_id is 'Whose it is.';
comment on column moothill.task_outcomes.id is 'Id of the task.';
comment on column moothill.task_outcomes.status is 'completed, failed or cancelled.';
comment on column moothill.task_outcomes.dead_letter is 'Whether it failed for good and waits for somebody to look at it.';
comment on column moothill.task_outcomes.attempt is 'The attempt that ended it; 0: it was never handed out.';
comment on column moothill.task_outcomes.failures is 'Attempts that failed or were lost, this one included.';
comment on column moothill.task_outcomes.token is 'The token of that attempt.';
comment on column moothill.task_outcomes.agent_id is 'The agent that held it.';
comment on column moothill.task_outcomes.worker_id is 'The worker that held it.';
comment on column moothill.task_outcomes.claimed_at is 'When that attempt was handed out.';
comment on column moothill.task_outcomes.started_at is 'When its holder began.';
comment on column moothill.task_outcomes.ended_at is 'When it ended.';
comment on column moothill.task_outcomes.result is 'What came out of it.';
comment on column moothill.task_outcomes.reason is 'Why it was cancelled, or ended by the house; what its holder said stands in the attempt.';
comment on column moothill.task_outcomes.quality is 'How good the result is, 0 to 1.';
comment on column moothill.task_outcomes.files_used is 'Files that were changed.';
comment on column moothill.task_outcomes.lines_used is 'Lines that were changed.';
comment on column moothill.task_outcomes.archived_at is 'When it was put away.';

create table moothill.task_attempts (
  tenant_id uuid not null,
  id uuid not null,
  attempt integer not null,
  outcome text not null constraint task_attempts_outcome_check
    check (outcome in ('failed', 'lost', 'timed_out', 'released', 'waiting', 'cancelled')),
  token uuid,
  agent_id uuid,
  worker_id uuid,
  claimed_at timestamptz,
  started_at timestamptz,
  ended_at timestamptz not null,
  error text constraint task_attempts_error_check check (length(error) <= 60000),
  note text constraint task_attempts_note_check check (length(note) <= 2000),
  constraint task_attempts_pkey primary key (tenant_id, id, attempt)
);
select mt.distribute('moothill.task_attempts');
create index task_attempts_agent_idx on moothill.task_attempts (tenant_id, agent_id, ended_at desc) where agent_id is not null;
select mt.protect('moothill.task_attempts');
grant select, insert on moothill.task_attempts to moothill_app;
grant select on moothill.task_attempts to moothill_readonly, moothill_auditor;
grant select (tenant_id, id, attempt, outcome, agent_id, worker_id, claimed_at, started_at, ended_at)
  on moothill.task_attempts to moothill_sql;
comment on table moothill.task_attempts is 'Attempts that did not complete their task; the one that did stands in its outcome.';
comment on column moothill.task_attempts.tenant_id is 'Whose it is.';
comment on column moothill.task_attempts.id is 'Id of the task.';
comment on column moothill.task_attempts.attempt is 'Number of the attempt.';
comment on column moothill.task_attempts.outcome is 'How it ended.';
comment on column moothill.task_attempts.token is 'Its token.';
comment on column moothill.task_attempts.agent_id is 'The agent that held the task.';
comment on column moothill.task_attempts.worker_id is 'The worker that held it.';
comment on column moothill.task_attempts.claimed_at is 'When the task was handed out.';
comment on column moothill.task_attempts.started_at is 'When its holder began.';
comment on column moothill.task_attempts.ended_at is 'When the attempt ended.';
comment on column moothill.task_attempts.error is 'What its holder said.';
comment on column moothill.task_attempts.note is 'Why it was taken from its holder.';

create table moothill.task_answers (
  tenant_id uuid not null,
  id uuid not null,
  task_id uuid not null,
  answer jsonb not null default '{}',
  signal text,
  answered_by uuid not null,
  answered_at timestamptz not null default now(),
  constraint task_answers_pkey primary key (tenant_id, task_id, id),
  constraint task_answers_task_fkey foreign key (tenant_id, task_id) references moothill.tasks (tenant_id, id) on delete cascade
);
select mt.distribute('moothill.task_answers');
select mt.protect('moothill.task_answers');
grant select, insert on moothill.task_answers to moothill_app;
grant select on moothill.task_answers to moothill_readonly, moothill_auditor;
comment on table moothill.task_answers is 'What was answered to tasks that waited; the next attempt gets all of it.';
comment on column moothill.task_answers.tenant_id is 'Whose it is.';
comment on column moothill.task_answers.id is 'Id, a UUIDv7: rises with time.';
comment on column moothill.task_answers.task_id is 'The task.';
comment on column moothill.task_answers.answer is 'What was answered.';
comment on column moothill.task_answers.signal is 'The signal that brought it.';
comment on column moothill.task_answers.answered_by is 'Who answered.';
comment on column moothill.task_answers.answered_at is 'When.';

create table moothill.task_workers (
  tenant_id uuid not null,
  id uuid not null,
  name text not null constraint task_workers_name_check check (length(name) between 1 and 100),
  lease_seconds integer not null constraint task_workers_lease_check check (lease_seconds between 1 and 86400),
  agent_id uuid,
  queues text[],
  started_at timestamptz not null default now(),
  seen_at timestamptz not null default now(),
  constraint task_workers_pkey primary key (tenant_id, id)
) with (fillfactor = 50);
select mt.distribute('moothill.task_workers');
select mt.protect('moothill.task_workers');
grant select, insert, update, delete on moothill.task_workers to moothill_app;
grant select on moothill.task_workers to moothill_readonly, moothill_auditor, moothill_sql;
comment on table moothill.task_workers is 'Workers by their heartbeats: one row keeps all tasks that a worker holds.';
comment on column moothill.task_workers.tenant_id is 'Whose tasks it works on.';
comment on column moothill.task_workers.id is 'Id that the worker gave itself when it began.';
comment on column moothill.task_workers.name is 'Its name for people.';
comment on column moothill.task_workers.lease_seconds is 'After how long a silence its tasks are given to others.';
comment on column moothill.task_workers.agent_id is 'The agent for which it works.';
comment on column moothill.task_workers.queues is 'The queues that it serves; null: all.';
comment on column moothill.task_workers.started_at is 'When it was first seen.';
comment on column moothill.task_workers.seen_at is 'When it was last seen; no index holds it, so that a heartbeat rewrites none.';

-- ------------------------------------------------------------------ dependencies

create table moothill.task_dependencies (
  tenant_id uuid not null,
  task_id uuid not null,
  depends_on uuid not null,
  type text not null default 'blocks' constraint task_dependencies_type_check check (type in ('blocks', 'optional', 'soft')),
  met_at timestamptz,
  created_at timestamptz not null default now(),
  constraint task_dependencies_pkey primary key (tenant_id, task_id, depends_on),
  constraint task_dependencies_task_fkey foreign key (tenant_id, task_id)
    references moothill.tasks (tenant_id, id) on delete cascade,
  constraint task_dependencies_on_fkey foreign key (tenant_id, depends_on)
    references moothill.tasks (tenant_id, id) on delete cascade,
  constraint task_dependencies_self_check check (task_id <> depends_on)
) with (fillfactor = 85);
select mt.distribute('moothill.task_dependencies');
create index task_dependencies_on_idx on moothill.task_dependencies (tenant_id, depends_on, task_id);
select mt.protect('moothill.task_dependencies');
grant select, insert, update, delete on moothill.task_dependencies to moothill_app;
grant select on moothill.task_dependencies to moothill_readonly, moothill_auditor, moothill_sql;
comment on table moothill.task_dependencies is 'Which tasks wait for which. No way along them leads back.';
comment on column moothill.task_dependencies.tenant_id is 'Whose it is.';
comment on column moothill.task_dependencies.task_id is 'The task that waits.';
comment on column moothill.task_dependencies.depends_on is 'The task that it waits for.';
comment on column moothill.task_dependencies.type is 'blocks: it has to complete; optional: it has to end, however; soft: its result is given if there is one, and nobody waits.';
comment on column moothill.task_dependencies.met_at is 'When it held nobody up any more.';
comment on column moothill.task_dependencies.created_at is 'When it was said.';

create table moothill.task_graphs (
  tenant_id uuid not null,
  changes bigint not null default 0,
  constraint task_graphs_pkey primary key (tenant_id)
) with (fillfactor = 50);
select mt.distribute('moothill.task_graphs');
select mt.protect('moothill.task_graphs');
grant select, insert, update on moothill.task_graphs to moothill_app;
grant select on moothill.task_graphs to moothill_readonly, moothill_auditor;
comment on table moothill.task_graphs is 'One row a tenant: who adds a dependency between tasks that are there holds it, so that two of them cannot close a circle together.';
comment on column moothill.task_graphs.tenant_id is 'Whose it is.';
comment on column moothill.task_graphs.changes is 'How often that happened.';

-- ------------------------------------------------------------------ which tenants have work

create table moothill.task_hints (
  tenant_id uuid not null,
  queue text not null,
  since timestamptz not null default now(),
  constraint task_hints_pkey primary key (tenant_id, queue)
);
comment on table moothill.task_hints is 'Control: queues that may hold something to hand out, of all tenants. Small, and read by workers that serve more than one.';
comment on column moothill.task_hints.tenant_id is 'The tenant.';
comment on column moothill.task_hints.queue is 'The queue.';
comment on column moothill.task_hints.since is 'When it was last found to be so.';

-- ------------------------------------------------------------------ moves

create function mt.task_rank(moment timestamptz, priority integer) returns timestamptz
  language sql stable parallel safe
as $$
  select moment + (array[make_interval(days => -3650), make_interval(), make_interval(hours => 1),
                         make_interval(hours => 4), make_interval(hours => 12)])[priority + 1]
$$;
comment on function mt.task_rank(timestamptz, integer) is
  'The place of a task in its lane: when it was added or due, later by what its priority is worth.';
grant execute on function mt.task_rank(timestamptz, integer) to moothill_app;

create function mt.task_backoff(retry jsonb, failures integer, token uuid) returns interval
  language sql immutable parallel safe
as $$
  -- Half of the pause is chance, so that what failed together does not come back together.
  select make_interval(secs => least(coalesce((retry ->> 'most')::float8, 3600),
                                     coalesce((retry ->> 'base')::float8, 5)
                                     * coalesce((retry ->> 'factor')::float8, 2) ^ least(failures - 1, 60))
                               * (0.5 + 0.5 * (hashtextextended(token::text, failures) & 65535) / 65535))
$$;
comment on function mt.task_backoff(jsonb, integer, uuid) is
  'The pause after a failure: base times factor for each one before it, at most `most` seconds, between half and all of that.';
grant execute on function mt.task_backoff(jsonb, integer, uuid) to moothill_app;

create function moothill.task_settle(tenant uuid, ended uuid[]) returns bigint
  language plpgsql
  -- No plan may depend on how large the tables happen to be: a queue that was empty a minute ago is a bad guide.
  set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set enable_bitmapscan = off
  set plan_cache_mode = force_generic_plan
as $$
declare
  freed bigint;
begin
  with met as (
    update moothill.task_dependencies d
    set met_at = now()
    from moothill.task_outcomes o
    where d.tenant_id = tenant and d.depends_on = any(ended) and d.met_at is null and d.type <> 'soft'
      and o.tenant_id = tenant and o.id = d.depends_on and (o.status = 'completed' or d.type = 'optional')
    returning d.task_id
  ), counted as (
    select m.task_id, count(*)::integer as met from met m group by m.task_id
  ), held as materialized (
    -- In one order, so that two parents that end at once wait for each other instead of killing each other.
    select q.id, c.met
    from moothill.task_queue q join counted c on c.task_id = q.id
    where q.tenant_id = tenant
    order by q.id
    for update of q
  ), moved as (
    update moothill.task_queue q
    set blockers = q.blockers - h.met,
        state = case when q.state <> 'blocked' or q.blockers > h.met then q.state
                     when q.due_at > now() then 'scheduled' else 'pending' end,
        due_at = case when q.due_at > now() then q.due_at end,
        entered_at = case when q.state = 'blocked' and q.blockers = h.met then now() else q.entered_at end
    from held h
    where q.tenant_id = tenant and q.id = h.id
    returning q.state, q.blockers
  )
  select count(*) into freed from moved m where m.state = 'pending' and m.blockers = 0;
  return freed;
end $$;
comment on function moothill.task_settle(uuid, uuid[]) is
  'Lets go those that waited for tasks which have ended; how many can be handed out now.';

create function moothill.task_let_go(tenant uuid, ended uuid[], slots uuid[], parents uuid[]) returns void
  language plpgsql as $$
begin
  if cardinality(slots) > 0 then
    update moothill.task_slots s set task_id = null where s.tenant_id = tenant and s.task_id = any(slots);
  end if;
  if cardinality(parents) > 0 then
    perform moothill.task_settle(tenant, parents);
  end if;
end $$;
comment on function moothill.task_let_go(uuid, uuid[], uuid[], uuid[]) is
  'Frees the places that tasks held, and the tasks that waited for them.';

create function moothill.task_claim(tenant uuid, wanted text[], agent uuid, worker uuid, most integer, seed uuid,
                                    lease double precision, begins boolean)
  returns table (id uuid, attempt integer, token uuid, rank timestamptz, has_parents boolean, has_answers boolean,
                 failures integer, expires_at timestamptz)
  language plpgsql rows 10
  -- No plan may depend on how large the tables happen to be: a queue that was empty a minute ago is a bad guide.
  set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set enable_bitmapscan = off
  set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_column
declare
  moment timestamptz := now();
  lanes uuid[];
  places integer[];
  lane record;
  share integer;
  taken uuid[];
  numbers integer[];
  have double precision;
begin
  -- What has become due meanwhile can be handed out now, whoever would have noticed.
  update moothill.task_queue q
  set state = 'pending', due_at = null, entered_at = moment
  where q.tenant_id = tenant and q.id in (
    select d.id from moothill.task_queue d
    where d.tenant_id = tenant and d.alarm_at <= moment and d.due_at <= moment and d.state in ('scheduled', 'retry')
    order by d.alarm_at limit 1000 for update skip locked);

  for lane in
    with open as materialized (
      select l.id, l.queue, l.group_name, coalesce(g.weight, 1) as weight,
             g.max_running is not null as has_slots, g.max_running, g.rate_limit, g.rate_seconds,
             least(most,
                   case when g.max_running is not null then
                     (select count(*) from moothill.task_slots s
                      where s.tenant_id = tenant and s.queue = l.queue and s.group_name = l.group_name
                        and s.number <= g.max_running and s.task_id is null) end,
                   case when g.rate_limit is not null then
                     floor(least(g.rate_limit, g.tokens + extract(epoch from moment - g.filled_at) * g.rate_limit
                                                          / g.rate_seconds)) end)::integer as room
      from moothill.task_lanes l
      left join moothill.task_queues u on u.tenant_id = tenant and u.name = l.queue
      left join moothill.task_groups g on g.tenant_id = tenant and g.queue = l.queue and g.name = l.group_name
      where l.tenant_id = tenant and l.is_open and (wanted is null or l.queue = any(wanted)) and u.paused_at is null
        and (l.agent_id is null or l.agent_id = agent)
        and (l.agent_type is null or exists (
              select from moothill.agents a where a.tenant_id = tenant and a.id = agent and a.type = l.agent_type))
        and (l.skills is null or agent is not null and not exists (
              select from jsonb_to_recordset(l.skills) as n (skill text, minimum integer)
              where not exists (
                select from moothill.agent_skills k
                where k.tenant_id = tenant and k.agent_id = agent and k.skill = n.skill and k.proficiency >= n.minimum)))
        and (l.capability is null or exists (
              select from moothill.capabilities c
              where c.tenant_id = tenant and c.agent_id = agent and c.canonical_name = l.capability))
        -- No `exists`, which a plan may turn into a look at everything that waits.
        and (select true from moothill.task_queue q
             where q.tenant_id = tenant and q.lane_id = l.id and q.state = 'pending' limit 1)
    ), alone as materialized (
      select count(*) = 1 as yes from open
    ), heads as (
      -- Within a group by rank, whatever the lane; between groups by weight, from a place that chance gives.
      select h.lane, h.weight, h.rank,
             row_number() over (partition by h.queue, h.group_name order by h.rank, h.task) as place,
             -ln((1 + (hashtextextended(h.queue || chr(31) || h.group_name, ('x' || left(seed::text, 8))::bit(32)::bigint)
                       & 1048575)) / 1048577.0) as draw
      from (
        select o.id as lane, o.queue, o.group_name, o.weight, p.rank, p.id as task
        from open o
        cross join lateral (
          select q.rank, q.id from moothill.task_queue q
          where q.tenant_id = tenant and q.lane_id = o.id and q.state = 'pending'
          order by q.rank, q.id
          limit o.room) p
        where not (select yes from alone)
      ) h
    ), chosen as (
      select h.lane, count(*)::integer as share
      from (select e.lane, e.place, e.draw, e.weight, e.rank from heads e
            order by (e.place - 1 + e.draw) / e.weight, e.rank limit most) h
      group by h.lane
    )
    select o.*, coalesce(c.share, o.room) as share
    from open o
    left join chosen c on c.lane = o.id
    where o.room > 0 and (c.share is not null or (select yes from alone))
    order by o.queue, o.group_name, o.id
  loop
    share := lane.share;
    if lane.rate_limit is not null then
      select least(g.rate_limit, g.tokens + extract(epoch from moment - g.filled_at) * g.rate_limit / g.rate_seconds)
      into have
      from moothill.task_groups g
      where g.tenant_id = tenant and g.queue = lane.queue and g.name = lane.group_name
      for no key update;
      share := least(share, floor(have)::integer);
    end if;
    if lane.has_slots then
      numbers := array(
        select s.number from moothill.task_slots s
        where s.tenant_id = tenant and s.queue = lane.queue and s.group_name = lane.group_name and s.task_id is null
          and s.number <= lane.max_running
        order by s.number limit share for update skip locked);
      share := least(share, cardinality(numbers));
    end if;
    continue when share < 1;
    taken := '{}';
    for id, attempt, token, rank, has_parents, has_answers, failures, expires_at in
      update moothill.task_queue q
      set state = case when begins then 'in_progress' else 'assigned' end,
          attempt = q.attempt + 1,
          token = md5(seed::text || q.id::text)::uuid,
          agent_id = agent,
          worker_id = worker,
          slot = case when lane.has_slots then 0 end,
          claimed_at = moment,
          started_at = case when begins then moment end,
          expires_at = least(case when worker is null then moment + make_interval(secs => lease) end,
                             moment + make_interval(secs => q.timeout_seconds)),
          due_at = null,
          note = null,
          entered_at = null
      where q.tenant_id = tenant and q.id = any(array(
        select p.id from moothill.task_queue p
        where p.tenant_id = tenant and p.lane_id = lane.id and p.state = 'pending'
        order by p.rank, p.id
        limit share
        for update skip locked))
      returning q.id, q.attempt, q.token, q.rank, q.has_parents, q.has_answers, q.failures, q.expires_at
    loop
      if lane.has_slots then
        taken := taken || id;
      end if;
      have := have - 1;
      return next;
    end loop;
    if lane.has_slots then
      update moothill.task_slots s
      set task_id = t.id
      from unnest(taken, numbers[1:cardinality(taken)]) as t (id, number)
      where s.tenant_id = tenant and s.queue = lane.queue and s.group_name = lane.group_name and s.number = t.number;
    end if;
    if lane.rate_limit is not null then
      update moothill.task_groups g
      set tokens = have, filled_at = moment
      where g.tenant_id = tenant and g.queue = lane.queue and g.name = lane.group_name;
    end if;
  end loop;
end $$;
comment on function moothill.task_claim(uuid, text[], uuid, uuid, integer, uuid, double precision, boolean) is
  'Hands out up to `most` tasks: of the lanes that the claimer may serve, fairly between groups and by rank within them; what another claims at the same time is passed over.';

create function moothill.task_complete(tenant uuid, rows jsonb) returns uuid[]
  language plpgsql
  -- No plan may depend on how large the tables happen to be: a queue that was empty a minute ago is a bad guide.
  set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set enable_bitmapscan = off
  set plan_cache_mode = force_generic_plan
as $$
declare
  moment timestamptz := now();
  done uuid[];
  slots uuid[];
  parents uuid[];
  agents uuid[];
begin
  with given as (
    select g.* from jsonb_to_recordset(rows) as g (
      id uuid, token uuid, result jsonb, quality numeric, files_used integer, lines_used integer)
  ), ended as (
    delete from moothill.task_queue q
    using given g
    -- Only who holds it has a token; its state is not asked, as no other index should look better than the key.
    where q.tenant_id = tenant and q.id = g.id and q.token = g.token
    returning q.id, q.attempt, q.failures, q.token, q.agent_id, q.worker_id, q.claimed_at, q.started_at, q.slot,
              q.has_dependents, g.result, g.quality, g.files_used, g.lines_used
  ), kept as (
    insert into moothill.task_outcomes (tenant_id, id, status, attempt, failures, token, agent_id, worker_id, claimed_at,
                                        started_at, ended_at, result, quality, files_used, lines_used)
    select tenant, e.id, 'completed', e.attempt, e.failures, e.token, e.agent_id, e.worker_id, e.claimed_at,
           coalesce(e.started_at, e.claimed_at), moment, e.result, e.quality, e.files_used, e.lines_used
    from ended e
  )
  select coalesce(array_agg(e.id), '{}'), array_agg(e.id) filter (where e.slot is not null),
         array_agg(e.id) filter (where e.has_dependents), array_agg(e.id) filter (where e.agent_id is not null)
  into done, slots, parents, agents
  from ended e;
  perform moothill.task_let_go(tenant, done, slots, parents);
  if agents is not null then
    perform moothill.task_count(tenant, agents, '{}');
  end if;
  return done;
end $$;
comment on function moothill.task_complete(uuid, jsonb) is
  'Completes those of the tasks whose attempt holds them; which these were.';

create function moothill.task_count(tenant uuid, completed uuid[], failed_by uuid[]) returns void
  language plpgsql as $$
begin
  -- The agents' rows are touched last, in one order: others wait for them the shortest.
  with counted as (
    select e.agent_id, sum(e.well)::bigint as well, sum(e.badly)::bigint as badly, sum(e.quality) as quality,
           sum(e.rated)::bigint as rated, sum(e.ms) as ms
    from (
      select o.agent_id, 1 as well, 0 as badly, coalesce(o.quality, 0) as quality, (o.quality is not null)::integer as rated,
             greatest(0, round(extract(epoch from o.ended_at - o.started_at) * 1000)) as ms
      from moothill.task_outcomes o
      where o.tenant_id = tenant and o.id = any(completed)
      union all
      select f.agent_id, 0, 1, 0, 0, 0 from unnest(failed_by) as f (agent_id)
    ) e
    where e.agent_id is not null
    group by e.agent_id
  ), held as materialized (
    select a.id from moothill.agents a
    where a.tenant_id = tenant and a.id in (select c.agent_id from counted c)
    order by a.id
    for no key update
  )
  update moothill.agents a
  set tasks_attempted = a.tasks_attempted + c.well + c.badly,
      tasks_completed = a.tasks_completed + c.well,
      tasks_failed = a.tasks_failed + c.badly,
      quality_total = a.quality_total + c.quality,
      quality_count = a.quality_count + c.rated,
      task_time_total_ms = a.task_time_total_ms + c.ms,
      last_active_at = greatest(a.last_active_at, now())
  from counted c join held h on h.id = c.agent_id
  where a.tenant_id = tenant and a.id = c.agent_id;
end $$;
comment on function moothill.task_count(uuid, uuid[], uuid[]) is
  'Adds attempts that ended to the numbers of their agents: tasks that were completed, and agents whose attempts failed.';

create function moothill.task_leave(tenant uuid, rows jsonb, how text, said text,
                                    out left_ uuid[], out states text[], out agents uuid[])
  language plpgsql
  -- No plan may depend on how large the tables happen to be: a queue that was empty a minute ago is a bad guide.
  set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set enable_bitmapscan = off
  set plan_cache_mode = force_generic_plan
as $$
declare
  moment timestamptz := now();
  slots uuid[];
  parents uuid[];
begin
  with given as (
    select g.* from jsonb_to_recordset(rows) as g (
      id uuid, token uuid, error text, final boolean, retry_seconds double precision, note text, signal text)
  ), held as materialized (
    select q.*, g.error, coalesce(g.final, false) as final, g.retry_seconds, g.signal as waits_for,
           coalesce(g.note, said) as told,
           t.max_attempts, t.retry
    from given g
    join moothill.task_queue q on q.tenant_id = tenant and q.id = g.id
    join moothill.tasks t on t.tenant_id = tenant and t.id = g.id
    where q.token = g.token
    order by q.id
    for update of q
  ), judged as materialized (
    select h.*, h.failures + (how in ('failed', 'lost', 'timed_out'))::integer as failed,
           case
             when how = 'cancelled' or h.cancel_asked_at is not null then 'cancelled'
             when how = 'waiting' then 'waiting'
             when h.deadline <= moment then 'failed'
             when how = 'released' then case when h.retry_seconds > 0 then 'scheduled' else 'pending' end
             when h.final or h.failures + 1 >= h.max_attempts then 'failed'
             when how = 'lost' then 'pending'
             else 'retry'
           end as next
    from held h
  ), attempts as (
    insert into moothill.task_attempts (tenant_id, id, attempt, outcome, token, agent_id, worker_id, claimed_at,
                                        started_at, ended_at, error, note)
    select tenant, j.id, j.attempt, case when j.next = 'cancelled' then 'cancelled' else how end, j.token, j.agent_id,
           j.worker_id, j.claimed_at, j.started_at, moment, j.error, j.told
    from judged j
  ), living as (
    update moothill.task_queue q
    set state = j.next,
        failures = j.failed,
        token = null,
        worker_id = null,
        slot = null,
        expires_at = null,
        due_at = case when j.next in ('retry', 'scheduled') then
                   moment + coalesce(make_interval(secs => j.retry_seconds), mt.task_backoff(j.retry, j.failed, j.token)) end,
        note = j.told,
        signal = j.waits_for,
        entered_at = moment
    from judged j
    where q.tenant_id = tenant and q.id = j.id and j.next not in ('failed', 'cancelled')
  ), gone as (
    delete from moothill.task_queue q
    using judged j
    where q.tenant_id = tenant and q.id = j.id and j.next in ('failed', 'cancelled')
  ), kept as (
    insert into moothill.task_outcomes (tenant_id, id, status, dead_letter, attempt, failures, token, agent_id, worker_id,
                                        claimed_at, started_at, ended_at, reason)
    select tenant, j.id, j.next, j.next = 'failed', j.attempt, j.failed, j.token, j.agent_id, j.worker_id, j.claimed_at,
           j.started_at, moment,
           case when j.next = 'cancelled' then coalesce(case when how = 'cancelled' then j.told end, j.note)
                when j.deadline <= moment then 'The deadline passed.' else j.told end
    from judged j
    where j.next in ('failed', 'cancelled')
  )
  select coalesce(array_agg(j.id), '{}'), coalesce(array_agg(j.next), '{}'),
         array_agg(j.id) filter (where j.slot is not null),
         array_agg(j.id) filter (where j.has_dependents and j.next in ('failed', 'cancelled')),
         array_agg(j.agent_id) filter (where j.agent_id is not null and j.next <> 'cancelled'
                                         and how in ('failed', 'lost', 'timed_out'))
  into left_, states, slots, parents, agents
  from judged j;
  perform moothill.task_let_go(tenant, left_, slots, parents);
  if agents is not null then
    perform moothill.task_count(tenant, '{}', agents);
  end if;
end $$;
comment on function moothill.task_leave(uuid, jsonb, text, text) is
  'Ends attempts without completing their tasks: failed, lost, timed_out, released, waiting or cancelled; which these were, and where each task stands now.';

create function moothill.task_end(tenant uuid, wanted uuid[], how text, said text) returns uuid[]
  language plpgsql
  -- No plan may depend on how large the tables happen to be: a queue that was empty a minute ago is a bad guide.
  set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set enable_bitmapscan = off
  set plan_cache_mode = force_generic_plan
as $$
declare
  done uuid[];
  parents uuid[];
begin
  with held as materialized (
    select q.id from moothill.task_queue q
    where q.tenant_id = tenant and q.id = any(wanted) and q.state not in ('assigned', 'in_progress')
    order by q.id
    for update
  ), ended as (
    delete from moothill.task_queue q
    using held h
    where q.tenant_id = tenant and q.id = h.id
    returning q.id, q.attempt, q.failures, q.agent_id, q.has_dependents
  ), kept as (
    insert into moothill.task_outcomes (tenant_id, id, status, dead_letter, attempt, failures, agent_id, ended_at, reason)
    select tenant, e.id, how, how = 'failed', e.attempt, e.failures, e.agent_id, now(), said from ended e
  )
  select coalesce(array_agg(e.id), '{}'), array_agg(e.id) filter (where e.has_dependents)
  into done, parents
  from ended e;
  perform moothill.task_let_go(tenant, done, null, parents);
  return done;
end $$;
comment on function moothill.task_end(uuid, uuid[], text, text) is
  'Ends tasks that nobody holds, as failed or cancelled; which these were.';

create function moothill.task_sweep(tenant uuid, most integer,
                                    out due bigint, out lost bigint, out timed_out bigint, out overdue bigint)
  language plpgsql
  -- No plan may depend on how large the tables happen to be: a queue that was empty a minute ago is a bad guide.
  set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set enable_bitmapscan = off
  set plan_cache_mode = force_generic_plan
as $$
declare
  moment timestamptz := now();
  found_ jsonb;
  silent jsonb;
  late uuid[];
  ended record;
begin
  with ready as (
    update moothill.task_queue q
    set state = 'pending', due_at = null, entered_at = moment
    where q.tenant_id = tenant and q.id in (
      select d.id from moothill.task_queue d
      where d.tenant_id = tenant and d.alarm_at <= moment and d.due_at <= moment and d.state in ('scheduled', 'retry')
      order by d.alarm_at limit most for update skip locked)
    returning q.id
  )
  select count(*) into due from ready;

  -- Deadlines of tasks that nobody holds.
  late := array(
    select q.id from moothill.task_queue q
    where q.tenant_id = tenant and q.alarm_at <= moment and q.deadline <= moment
      and q.state not in ('assigned', 'in_progress')
    order by q.alarm_at limit most);
  overdue := cardinality(moothill.task_end(tenant, late, 'failed', 'The deadline passed.'));

  -- Attempts whose time is up, deadlines of tasks that somebody holds, and holders without a worker that fell silent.
  select jsonb_agg(jsonb_build_object('id', e.id, 'token', e.token)) filter (where e.is_late),
         jsonb_agg(jsonb_build_object('id', e.id, 'token', e.token)) filter (where not e.is_late)
  into found_, silent
  from (select q.id, q.token,
               -- With a worker, whose heartbeats are its lease, an attempt expires by its time limit alone.
               q.worker_id is not null or coalesce(q.deadline <= moment, false)
               or coalesce(q.claimed_at + make_interval(secs => q.timeout_seconds) <= moment, false) as is_late
        from moothill.task_queue q
        where q.tenant_id = tenant and q.alarm_at <= moment and q.state in ('assigned', 'in_progress')
        order by q.alarm_at limit most for update skip locked) e;
  timed_out := 0;
  if found_ is not null then
    select cardinality(l.left_) into timed_out
    from moothill.task_leave(tenant, found_, 'timed_out', 'Its time was up.') l;
  end if;
  lost := 0;
  if silent is not null then
    select cardinality(l.left_) into lost
    from moothill.task_leave(tenant, silent, 'lost', 'Its holder was not heard of.') l;
  end if;

  -- Attempts of workers that have fallen silent: by their heartbeat, not by how long they take.
  select jsonb_agg(jsonb_build_object('id', e.id, 'token', e.token))
  into found_
  from (select q.id, q.token
        from moothill.task_queue q
        left join moothill.task_workers w on w.tenant_id = tenant and w.id = q.worker_id
        where q.tenant_id = tenant and q.state in ('assigned', 'in_progress') and q.worker_id is not null
          and coalesce(w.seen_at + make_interval(secs => w.lease_seconds) < moment, true)
        order by q.id limit most for update of q skip locked) e;
  if found_ is not null then
    select lost + cardinality(l.left_) into lost
    from moothill.task_leave(tenant, found_, 'lost', 'Its worker fell silent.') l;
  end if;
end $$;
comment on function moothill.task_sweep(uuid, integer) is
  'What time does to tasks: makes due ones pending, fails those past their deadline, and takes tasks from holders that are silent or too slow.';

create function moothill.task_depend(tenant uuid, child uuid, parent uuid, kind text) returns text
  language plpgsql as $$
declare
  stands text;
  ended text;
  closes boolean;
begin
  -- Two that each add one half of a circle wait for each other here, and the second one sees the first.
  insert into moothill.task_graphs as g (tenant_id, changes) values (tenant, 1)
  on conflict (tenant_id) do update set changes = g.changes + excluded.changes;
  with recursive above (id) as (
    select d.depends_on from moothill.task_dependencies d where d.tenant_id = tenant and d.task_id = parent
    union
    select d.depends_on from above a
    join moothill.task_dependencies d on d.tenant_id = tenant and d.task_id = a.id
  )
  select parent = child or exists (select from above a where a.id = child) into closes;
  if closes then
    return 'cycle';
  end if;
  select q.state into stands from moothill.task_queue q where q.tenant_id = tenant and q.id = child for update;
  if stands is null or stands in ('assigned', 'in_progress', 'waiting') then
    return coalesce(stands, 'ended');
  end if;
  -- Who puts the parent back in its queue meanwhile waits, and then sees who depends on it.
  perform from moothill.tasks t where t.tenant_id = tenant and t.id = parent for key share;
  update moothill.task_queue q set has_dependents = true where q.tenant_id = tenant and q.id = parent;
  if not found then
    select o.status into ended from moothill.task_outcomes o where o.tenant_id = tenant and o.id = parent;
  end if;
  insert into moothill.task_dependencies (tenant_id, task_id, depends_on, type, met_at)
  values (tenant, child, parent, kind,
          case when kind = 'soft' or ended = 'completed' or ended is not null and kind = 'optional' then now() end)
  on conflict (tenant_id, task_id, depends_on) do nothing;
  if not found then
    return 'known';
  end if;
  update moothill.task_queue q
  set has_parents = true,
      blockers = q.blockers + b.more,
      state = case when b.more > 0 and q.state in ('pending', 'scheduled', 'retry') then 'blocked' else q.state end,
      entered_at = now()
  from (select case when kind = 'soft' or ended = 'completed' or ended is not null and kind = 'optional'
                    then 0 else 1 end as more) b
  where q.tenant_id = tenant and q.id = child;
  return 'added';
end $$;
comment on function moothill.task_depend(uuid, uuid, uuid, text) is
  'Has a task that nobody holds wait for another; `cycle` when that one waits for it already, else how it went.';

-- A task's content, and what was said about it, may be secret.
select mt.seals('moothill.tasks', '{description, payload, metadata}');
select mt.seals('moothill.task_outcomes', '{result}');
select mt.seals('moothill.task_attempts', '{error}');
select mt.seals('moothill.task_answers', '{answer}');
select mt.no_samples('moothill.tasks', '{description, payload, metadata}');
select mt.no_samples('moothill.task_outcomes', '{result}');
select mt.no_samples('moothill.task_attempts', '{error}');
select mt.no_samples('moothill.task_answers', '{answer}');

create view moothill.v_tasks with (security_invoker = true, security_barrier = true) as
select t.tenant_id, t.id, t.task_id, t.title, t.kind, t.queue, t.group_name, t.priority, t.risk_tier, t.execution_mode,
       t.complexity, coalesce(q.state, case when o.archived_at is null then o.status else 'archived' end) as status,
       coalesce(q.agent_id, o.agent_id) as assigned_to, t.assigned_by, coalesce(q.attempt, o.attempt) as attempt,
       coalesce(q.failures, o.failures) as retry_count, t.max_attempts, t.created_at,
       coalesce(q.claimed_at, o.claimed_at) as assigned_at, coalesce(q.started_at, o.started_at) as started_at, o.ended_at,
       t.deadline, o.quality, t.tags, t.parent_id, t.updated_at
from moothill.tasks t
left join moothill.task_queue q on q.tenant_id = t.tenant_id and q.id = t.id
left join moothill.task_outcomes o on o.tenant_id = t.tenant_id and o.id = t.id
where t.deleted_at is null;
comment on view moothill.v_tasks is 'Tasks with where each stands.';
grant select on moothill.v_tasks to moothill_app, moothill_readonly, moothill_auditor, moothill_sql;

create view moothill.v_task_queue_summary with (security_invoker = true, security_barrier = true) as
select q.tenant_id, l.queue, q.state as status, q.priority, count(*) as tasks,
       avg(extract(epoch from now() - coalesce(q.entered_at, q.claimed_at)))::float8 as average_wait_seconds,
       max(extract(epoch from now() - coalesce(q.entered_at, q.claimed_at)))::float8 as longest_wait_seconds
from moothill.task_queue q
join moothill.task_lanes l on l.tenant_id = q.tenant_id and l.id = q.lane_id
group by q.tenant_id, l.queue, q.state, q.priority;
comment on view moothill.v_task_queue_summary is 'Live tasks by queue, state and priority, with how long they have been there.';
grant select on moothill.v_task_queue_summary to moothill_app, moothill_readonly, moothill_auditor;

-- Ids of agents stay in the record of what was done; an erasure empties the agent that they name.
select mt.trace('moothill.task_lanes', 'keep', 35, 'agent_id');
select mt.trace('moothill.tasks', 'keep', 36, 'created_by', 'assigned_by');
select mt.trace('moothill.task_queue', 'keep', 37, 'agent_id');
select mt.trace('moothill.task_outcomes', 'keep', 38, 'agent_id');
select mt.trace('moothill.task_attempts', 'keep', 39, 'agent_id');
select mt.trace('moothill.task_workers', 'keep', 40, 'agent_id');
select mt.trace('moothill.task_answers', 'keep', 41, 'answered_by');
select mt.retain('tasks', 'moothill.tasks', 'created_at', 'retain', null,
                 'What there was to do; what ended is put away after 90 days.', 1, '{retain}');
select mt.retain('task_attempts', 'moothill.task_attempts', 'ended_at', 'retain', null,
                 'Attempts that did not complete their task, kept with it.', 1, '{retain}');
select mt.retain('task_answers', 'moothill.task_answers', 'answered_at', 'retain', null,
                 'What was answered to tasks, kept with them.', 1, '{retain}');

-- ------------------------------------------------------------------ above all tenants

grant select, insert, update, delete on moothill.task_hints to moothill_jobs;
create policy jobs_rows on moothill.task_queue for select to moothill_jobs using (true);
create policy jobs_rows on moothill.task_workers for select to moothill_jobs using (true);
create policy jobs_rows on moothill.task_lanes for select to moothill_jobs using (true);
grant select on moothill.task_queue, moothill.task_workers, moothill.task_lanes to moothill_jobs;
create index task_queue_alarms_idx on moothill.task_queue (alarm_at) where alarm_at is not null;

create function moothill.task_hint(tenant uuid, queues text[]) returns void
  language plpgsql volatile security definer set search_path = pg_catalog, moothill, mt, public, pg_temp as $$
begin
  perform mt.same_tenant(tenant);
  -- A hint is touched now and then, so that who takes one away knows that nobody relies on it.
  insert into moothill.task_hints as h (tenant_id, queue, since)
  select tenant, q, now() from unnest(queues) as q
  where not exists (select from moothill.task_hints h
                    where h.tenant_id = tenant and h.queue = q and h.since > now() - interval '10 minutes')
  order by q
  on conflict (tenant_id, queue) do update set since = excluded.since
  where h.since < excluded.since - interval '10 minutes';
end $$;
comment on function moothill.task_hint(uuid, text[]) is 'Tells workers that serve every tenant that there may be work here.';
select mt.lend('moothill.task_hint(uuid, text[])'::regprocedure, 'moothill_jobs');

do $$
declare
  entry text;
begin
  foreach entry in array array[
    'task_settle(uuid, uuid[])', 'task_let_go(uuid, uuid[], uuid[], uuid[])',
    'task_claim(uuid, text[], uuid, uuid, integer, uuid, double precision, boolean)', 'task_complete(uuid, jsonb)',
    'task_count(uuid, uuid[], uuid[])', 'task_leave(uuid, jsonb, text, text)', 'task_end(uuid, uuid[], text, text)',
    'task_sweep(uuid, integer)', 'task_depend(uuid, uuid, uuid, text)'] loop
    execute format('revoke all on function moothill.%s from public', entry);
    execute format('grant execute on function moothill.%s to moothill_app', entry);
  end loop;
end $$;
