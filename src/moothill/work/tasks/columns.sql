-- let: status
-- Where a task stands: the state of the row that lives, or how it ended.
coalesce(q.state, case when o.archived_at is null then o.status else 'archived' end)

-- let: summary
-- The columns of a task in a list.
t.id, t.task_id, t.title, t.kind, t.queue, t.group_name as "group",
(array['critical', 'high', 'normal', 'low', 'background'])[t.priority + 1] as priority,
{status} as status, coalesce(o.dead_letter, false) as dead_letter, coalesce(q.attempt, o.attempt) as attempt,
coalesce(q.failures, o.failures) as failures, t.max_attempts as max_attempts,
coalesce(q.agent_id, o.agent_id) as agent_id, a.agent_id as agent, a.name as agent_name,
coalesce(q.worker_id, o.worker_id) as worker_id, t.created_at, coalesce(q.claimed_at, o.claimed_at) as claimed_at,
coalesce(q.started_at, o.started_at) as started_at, o.ended_at, q.due_at, t.deadline,
coalesce(q.blockers, 0) as blockers, coalesce(q.note, o.reason) as note, t.tags, t.version

-- let: task
-- The columns of a task.
{summary}, t.description, t.payload, t.requirements, t.constraints, t.risk_tier, t.execution_mode,
t.complexity, t.budget_files, t.budget_lines, t.estimated_ms,
round(extract(epoch from o.ended_at - o.started_at) * 1000)::bigint as actual_ms, t.timeout_seconds, q.expires_at,
t.retry, t.metadata, t.parent_id, t.created_by, t.assigned_by, o.result, e.error, o.quality, o.files_used, o.lines_used,
coalesce(q.has_dependents, false) as has_dependents, q.cancel_asked_at, o.archived_at, t.updated_at

-- let: standing
-- Beside `tasks t`: where each stands, and who holds it.
left join task_queue q on q.tenant_id = %(tenant)s and q.id = t.id
left join task_outcomes o on o.tenant_id = %(tenant)s and o.id = t.id
left join agents a on a.tenant_id = %(tenant)s and a.id = coalesce(q.agent_id, o.agent_id)

-- let: whole
-- Beside `tasks t`: where each stands, and what the holder of its last attempt said.
{standing}
left join task_attempts e on e.tenant_id = %(tenant)s and e.id = t.id and e.attempt = coalesce(q.attempt, o.attempt)
