-- let: summary
-- The columns of an agent in a list.
id, agent_id, name, description, type, status, status_reason, model_family, model_version, specialisations, tags,
provider, url, active_tasks, queued_tasks, utilisation, tasks_attempted, tasks_completed, tasks_failed, success_rate,
average_quality, average_task_time_ms, total_points, tier, rating, trust, consecutive_active_days, total_active_days,
last_active_at, last_heartbeat_at, registered_at, updated_at, deactivated_at, version, source_format

-- let: agent
-- The columns of an agent.
{summary}, config, metadata
