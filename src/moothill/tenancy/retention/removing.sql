-- name: state
-- Every class with what holds for it, and by how much its oldest row is overdue.
-- returns: many
select name, action, overdue from jobs_retention_state();

-- name: retain
-- Delete the oldest rows of a class that are older than its policy says; how many.
-- returns: one
select jobs_retain(%(data_class)s, %(size)s) as gone;

-- name: drop_months
-- Drop months of logs that may go as a whole; their names.
-- returns: one
select jobs_drop_months() as dropped;
