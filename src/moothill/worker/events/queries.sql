-- name: oldest
-- Events of this tenant behind a place, oldest first, below the horizon.
-- returns: many
-- seals: events.payload
select e.id, e.incarnation, e.txid, e.kind, e.version, e.occurred_at, e.subject, e.subjects, e.actor, e.actor_kind,
       e.actor_name, e.real_actor, e.operation, e.request, e.reason, e.payload
from events e
where e.tenant_id = %(tenant)s
  and (e.place, e.id) > ((%(incarnation)s::bigint << 48) | %(txid)s::bigint, %(id)s::uuid)
  and e.place < (select mt.horizon())
  and (%(kind)s::text is null or starts_with(e.kind, %(kind)s))
  and (%(actor)s::uuid is null or e.actor = %(actor)s)
  and (%(since)s::timestamptz is null
       or e.occurred_at >= %(since)s
          and e.id >= mt.uuid7_floor(greatest(%(since)s::timestamptz - interval '10 minutes', 'epoch')))
order by e.place, e.id
limit %(size)s;

-- name: newest
-- Events of this tenant before a place, newest first, below the horizon.
-- returns: many
-- seals: events.payload
select e.id, e.incarnation, e.txid, e.kind, e.version, e.occurred_at, e.subject, e.subjects, e.actor, e.actor_kind,
       e.actor_name, e.real_actor, e.operation, e.request, e.reason, e.payload
from events e
where e.tenant_id = %(tenant)s
  and (e.place, e.id) < ((%(incarnation)s::bigint << 48) | %(txid)s::bigint, %(id)s::uuid)
  and e.place < (select mt.horizon())
  and (%(kind)s::text is null or starts_with(e.kind, %(kind)s))
  and (%(actor)s::uuid is null or e.actor = %(actor)s)
  and (%(since)s::timestamptz is null
       or e.occurred_at >= %(since)s
          and e.id >= mt.uuid7_floor(greatest(%(since)s::timestamptz - interval '10 minutes', 'epoch')))
order by e.place desc, e.id desc
limit %(size)s;

-- name: oldest_of_subject
-- Likewise of one subject, alone or among others, oldest first; each half has an index of its own.
-- returns: many
-- seals: events.payload
select e.id, e.incarnation, e.txid, e.kind, e.version, e.occurred_at, e.subject, e.subjects, e.actor, e.actor_kind,
       e.actor_name, e.real_actor, e.operation, e.request, e.reason, e.payload
from (
  select alone.*
  from events alone
  where alone.tenant_id = %(tenant)s and alone.subject = %(subject)s::uuid
  union all
  select among.*
  from events among
  where among.tenant_id = %(tenant)s and among.subjects is not null
    and among.subject is distinct from %(subject)s::uuid and %(subject)s::uuid = any (among.subjects)
) as e
where (e.place, e.id) > ((%(incarnation)s::bigint << 48) | %(txid)s::bigint, %(id)s::uuid)
  and e.place < (select mt.horizon())
  and (%(kind)s::text is null or starts_with(e.kind, %(kind)s))
  and (%(actor)s::uuid is null or e.actor = %(actor)s)
  and (%(since)s::timestamptz is null
       or e.occurred_at >= %(since)s
          and e.id >= mt.uuid7_floor(greatest(%(since)s::timestamptz - interval '10 minutes', 'epoch')))
order by e.place, e.id
limit %(size)s;

-- name: newest_of_subject
-- Likewise, newest first.
-- returns: many
-- seals: events.payload
select e.id, e.incarnation, e.txid, e.kind, e.version, e.occurred_at, e.subject, e.subjects, e.actor, e.actor_kind,
       e.actor_name, e.real_actor, e.operation, e.request, e.reason, e.payload
from (
  select alone.*
  from events alone
  where alone.tenant_id = %(tenant)s and alone.subject = %(subject)s::uuid
  union all
  select among.*
  from events among
  where among.tenant_id = %(tenant)s and among.subjects is not null
    and among.subject is distinct from %(subject)s::uuid and %(subject)s::uuid = any (among.subjects)
) as e
where (e.place, e.id) < ((%(incarnation)s::bigint << 48) | %(txid)s::bigint, %(id)s::uuid)
  and e.place < (select mt.horizon())
  and (%(kind)s::text is null or starts_with(e.kind, %(kind)s))
  and (%(actor)s::uuid is null or e.actor = %(actor)s)
  and (%(since)s::timestamptz is null
       or e.occurred_at >= %(since)s
          and e.id >= mt.uuid7_floor(greatest(%(since)s::timestamptz - interval '10 minutes', 'epoch')))
order by e.place desc, e.id desc
limit %(size)s;

-- name: by_id
-- One event.
-- returns: maybe
-- seals: events.payload
select e.id, e.incarnation, e.txid, e.kind, e.version, e.occurred_at, e.subject, e.subjects, e.actor, e.actor_kind,
       e.actor_name, e.real_actor, e.operation, e.request, e.reason, e.payload
from events e
where e.tenant_id = %(tenant)s and e.id = %(id)s;

-- name: handlers
-- How every handler stands, and what of this tenant it has parked.
-- returns: many
select handler, kinds, lag, handled, moved_at, parked, dead
from relay_status(%(everywhere)s);

-- name: parked
-- Parked events of this tenant in the order of the log.
-- returns: many
select handler, event, kind, subject, attempts, next_attempt_at, error, dead, parked_at, incarnation, txid
from relay_parked(%(only_dead)s, %(handler)s, %(incarnation)s, %(txid)s, %(id)s, %(after_handler)s, %(size)s);

-- name: redrive
-- Let a handler try one parked event again, or all its dead ones; how many.
-- returns: one
select relay_redrive(%(handler)s, %(event)s) as count;

-- name: discard
-- Give up one parked event for a handler.
-- returns: one
select relay_discard(%(handler)s, %(event)s) as gone;
