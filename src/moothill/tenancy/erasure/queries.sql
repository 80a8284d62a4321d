-- name: target
-- The tenant of a slug or id, seen from above all tenants.
-- returns: maybe
select id, slug from gate_tenants_match(%(reference)s);

-- name: holds_on
-- Legal holds that keep a tenant, or one agent of it, from being erased.
-- returns: many
select id, agent_id as agent, reason, placed_by_name from jobs_holds_on(%(owner)s, %(agent)s, 10);

-- name: count
-- How many rows of each table an erasure would take or blank.
-- returns: many
select relation, rows from jobs_erasure_count(%(owner)s, %(agent)s);

-- name: begin
-- Begin an erasure, or find the one that is under way.
-- returns: one
-- errors: 23001 under_legal_hold
select jobs_erase_begin(%(id)s, %(owner)s, %(agent)s, %(asked_by)s, %(reason)s) as id;

-- name: rows
-- Remove the next rows; how many.
-- returns: one
-- errors: 23001 under_legal_hold
select jobs_erase_rows(%(erasure)s, %(size)s) as gone;

-- name: agent
-- Empty the row of the agent.
-- returns: one
-- errors: 23001 under_legal_hold
select jobs_erase_agent(%(erasure)s) as emptied;

-- name: log
-- Blank the next part of the log.
-- returns: maybe
-- errors: 23001 under_legal_hold
select place, id, seen, gone from jobs_erase_log(%(erasure)s, %(place)s, %(event)s, %(size)s);

-- name: traces
-- Take out what others have of it; how much.
-- returns: one
-- errors: 23001 under_legal_hold
select jobs_erase_traces(%(erasure)s, %(size)s) as gone;

-- name: went
-- Note what went from archives.
-- returns: run
select jobs_erasure_went(%(erasure)s, %(rows)s);

-- name: under_way
-- An erasure that is under way; no row when it has ended.
-- returns: maybe
select id, owner, agent, agent_key, things, counts, kept, asked_by, reason, began_at, moment, last_number, last_digest,
       exists (select from tenant_keys k where k.tenant_id = %(tenant)s and k.state <> 'shredded') as seals
from jobs_erasure_one(%(erasure)s);

-- name: end_
-- End an erasure with its report.
-- returns: one
-- errors: 23505 report_raced, 23001 under_legal_hold
select jobs_erase_end(%(erasure)s, %(number)s, %(document)s, %(digest)s) as ended;

-- name: reports
-- Reports, newest first.
-- returns: many
select number, kind, digest, signed_at, document from jobs_reports_page(%(everywhere)s, %(before)s, %(size)s);
