-- phase: pre
-- How far behind its handlers are is told to a tenant of its own events; of all events to who runs the platform.

-- squawk-ignore ban-drop-function
drop function moothill.relay_status();
create function moothill.relay_status(everywhere boolean)
  returns table (handler text, kinds text[], lag double precision, handled bigint, moved_at timestamptz,
                 parked bigint, dead bigint)
  language sql stable security definer set search_path = pg_catalog, moothill, pg_temp
as $$
  select c.handler, c.kinds,
         coalesce(
           case when everywhere then (
             select extract(epoch from clock_timestamp() - min(next.occurred_at))
             from (select e.kind, e.occurred_at
                   from events e
                   where (e.place, e.id) > ((c.incarnation::bigint << 48) | c.txid, c.event_id)
                     and e.place < (select mt.horizon())
                   order by e.place, e.id
                   limit 1000) as next
             where next.kind = any (c.kinds))
           else (
             select extract(epoch from clock_timestamp() - min(next.occurred_at))
             from (select e.kind, e.occurred_at
                   from events e
                   where e.tenant_id = mt.tenant()
                     and (e.place, e.id) > ((c.incarnation::bigint << 48) | c.txid, c.event_id)
                     and e.place < (select mt.horizon())
                   order by e.place, e.id
                   limit 1000) as next
             where next.kind = any (c.kinds)) end, 0)::double precision,
         case when everywhere then c.handled end, case when everywhere then c.moved_at end,
         (select count(*) from parked_events p where p.handler = c.handler and p.tenant_id = mt.tenant() and not p.dead),
         (select count(*) from parked_events p where p.handler = c.handler and p.tenant_id = mt.tenant() and p.dead)
  from handler_cursors c
  order by c.handler;
$$;
comment on function moothill.relay_status(boolean) is
  'How far behind each handler is, in seconds, with events of this tenant or of all, and what of this tenant it has parked.';
select mt.lend('moothill.relay_status(boolean)', 'moothill_relay');
