-- name: register
-- Make the handlers known; how far each has come. No row at all when the epoch is stale.
-- returns: many
select handler, incarnation, txid, event_id
from relay_register(%(lease)s, %(epoch)s, %(names)s, %(kinds)s::jsonb);

-- name: scout
-- What lies behind a place: its kinds, its end, and which handlers have parked events due.
-- returns: one
select kinds, incarnation, txid, event_id, due
from relay_scout(%(incarnation)s, %(txid)s, %(id)s, %(size)s);

-- name: window
-- The wanted events among the next ones of all tenants, and the last of these.
-- returns: many
select tenant_id, id, incarnation, txid, kind, version, occurred_at, subject, subjects, actor, actor_kind, actor_name,
       real_actor, operation, request, reason, payload
from relay_window(%(incarnation)s, %(txid)s, %(id)s, %(kinds)s, %(size)s);

-- name: take
-- Move a handler's cursor to an event, in the transaction that handles it.
-- returns: one
select verdict, tenant_slug
from relay_take(%(lease)s, %(epoch)s, %(handler)s, %(incarnation)s, %(txid)s, %(id)s, %(subject)s, %(is_wide)s);

-- name: park
-- Move a handler's cursor past an event that it failed on, and park the event.
-- returns: one
select relay_park(%(lease)s, %(epoch)s, %(handler)s, %(incarnation)s, %(txid)s, %(id)s, %(subject)s, %(is_wide)s,
                  %(error)s, %(seconds)s, %(is_last)s) as parked;

-- name: skip
-- Move handlers past events that are none of their kinds.
-- returns: one
select relay_skip(%(lease)s, %(epoch)s, %(names)s, %(incarnation)s, %(txid)s, %(id)s) as led;

-- name: due
-- Parked events of a handler that are due.
-- returns: many
select tenant_id, event_id, attempts, event
from relay_due(%(handler)s, %(size)s);

-- name: retry
-- Take a parked event out, in the transaction that handles it.
-- returns: one
select verdict, tenant_slug
from relay_retry(%(lease)s, %(epoch)s, %(handler)s, %(event)s);

-- name: failed
-- Note that a parked event failed again.
-- returns: one
select relay_failed(%(lease)s, %(epoch)s, %(handler)s, %(event)s, %(error)s, %(seconds)s, %(is_last)s) as noted;
