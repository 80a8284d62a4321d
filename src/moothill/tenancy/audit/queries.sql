-- let: entry
select e.id, e.occurred_at, e.kind, e.operation, e.subject, e.actor, e.actor_kind, e.actor_name, e.real_actor,
       e.request, e.reason, e.payload, e.changes
from events e

-- let: own
-- The server knows who asks: an agent sees what it did itself, whatever it asks for.
(mt.actor_kind() <> 'agent' or e.actor = mt.actor())

-- name: page
-- Writes of this tenant, newest first.
-- returns: many
-- seals: events.payload, events.changes
{entry}
where e.tenant_id = %(tenant)s and e.id < %(before)s
  and (%(since)s::timestamptz is null
       or e.occurred_at >= %(since)s
          and e.id >= mt.uuid7_floor(greatest(%(since)s::timestamptz - interval '10 minutes', 'epoch')))
  and (%(until)s::timestamptz is null
       or e.occurred_at < %(until)s and e.id < mt.uuid7_floor(%(until)s::timestamptz + interval '10 minutes'))
  and (%(actor)s::uuid is null or e.actor = %(actor)s or e.real_actor = %(actor)s)
  and (not %(changed)s or e.changes is not null) and {own}
order by e.id desc
limit %(size)s;

-- name: page_of_kinds
-- Writes of the kinds that begin so, newest first: a few of each, along their index, so that a rare one costs no scan.
-- returns: many
-- seals: events.payload, events.changes
with recursive known (kind) as (
  (select e.kind from events e where e.tenant_id = %(tenant)s order by e.kind limit 1)
  union all
  select (select e.kind from events e where e.tenant_id = %(tenant)s and e.kind > known.kind order by e.kind limit 1)
  from known
  where known.kind is not null
)
select found.*
from known
cross join lateral (
  {entry}
  where e.tenant_id = %(tenant)s and e.kind = known.kind and e.id < %(before)s
    and (%(since)s::timestamptz is null
         or e.occurred_at >= %(since)s
            and e.id >= mt.uuid7_floor(greatest(%(since)s::timestamptz - interval '10 minutes', 'epoch')))
    and (%(until)s::timestamptz is null
         or e.occurred_at < %(until)s and e.id < mt.uuid7_floor(%(until)s::timestamptz + interval '10 minutes'))
    and (%(actor)s::uuid is null or e.actor = %(actor)s or e.real_actor = %(actor)s)
    and (not %(changed)s or e.changes is not null) and {own}
  order by e.id desc
  limit %(size)s
) found
where starts_with(known.kind, %(kind)s)
order by found.id desc
limit %(size)s;

-- name: page_of_subject
-- Writes on one thing, newest first.
-- returns: many
-- seals: events.payload, events.changes
{entry}
where e.tenant_id = %(tenant)s and (e.subject = %(subject)s or %(subject)s::uuid = any (e.subjects))
  and e.id < %(before)s
  and (%(since)s::timestamptz is null
       or e.occurred_at >= %(since)s
          and e.id >= mt.uuid7_floor(greatest(%(since)s::timestamptz - interval '10 minutes', 'epoch')))
  and (%(until)s::timestamptz is null
       or e.occurred_at < %(until)s and e.id < mt.uuid7_floor(%(until)s::timestamptz + interval '10 minutes'))
  and (%(kind)s::text is null or starts_with(e.kind, %(kind)s))
  and (%(actor)s::uuid is null or e.actor = %(actor)s or e.real_actor = %(actor)s)
  and (not %(changed)s or e.changes is not null) and {own}
order by e.id desc
limit %(size)s;

-- name: one
-- One write.
-- returns: maybe
-- seals: events.payload, events.changes
{entry}
where e.tenant_id = %(tenant)s and e.id = %(id)s and {own};
