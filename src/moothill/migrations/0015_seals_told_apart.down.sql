create or replace function mt.seal_key(stored jsonb) returns integer
  language sql immutable parallel safe
as $$
  select case when stored ? '$sealed' and jsonb_typeof(stored -> '$sealed' -> 'k') = 'number'
                   and stored -> '$sealed' ->> 'k' ~ '^[1-9][0-9]{0,8}$'
              then (stored -> '$sealed' ->> 'k')::integer end
$$;

create or replace function mt.add_month(parent regclass, month date) returns boolean
  language plpgsql as $$
declare
  base text := (select relname from pg_class where oid = parent);
  child text := format('%s_%s', base, to_char(month, 'YYYY_MM'));
  net text := (select t.partdefid::regclass::text from pg_partitioned_table t where t.partrelid = parent and t.partdefid <> 0);
  first timestamptz := date_trunc('month', month::timestamp) at time zone 'UTC';
  next timestamptz := (date_trunc('month', month::timestamp) + interval '1 month') at time zone 'UTC';
  columns text;
  strayed bigint := 0;
begin
  if to_regclass(format('moothill.%I', child)) is not null then
    return false;
  end if;
  if net is not null and pg_relation_size(net::regclass) > 0 then
    -- The owner is bound by row security and by the triggers of a log, here too: until this transaction ends, nobody
    -- sees that it is not, as nobody else can enter the table.
    perform set_config('citus.enable_unsafe_triggers', 'on', true);
    execute format('lock table %s in access exclusive mode', net);
    execute format('alter table %s no force row level security', net);
    execute format('alter table %s disable trigger user', net);
    select string_agg(quote_ident(a.attname), ', ' order by a.attnum) into columns
    from pg_attribute a where a.attrelid = parent and a.attnum > 0 and not a.attisdropped and a.attgenerated = '';
    execute format('create temporary table strayed_rows on commit drop as select %s from %s where false', columns, net);
    execute format('with gone as (delete from %s where id >= $1 and id < $2 returning %s) '
                   'insert into pg_temp.strayed_rows select * from gone', net, columns)
    using mt.uuid7_floor(first), mt.uuid7_floor(next);
    get diagnostics strayed = row_count;
    execute format('alter table %s enable trigger user', net);
    execute format('alter table %s force row level security', net);
  end if;
  execute format('create table moothill.%I partition of %s for values from (%L) to (%L)',
                 child, parent, mt.uuid7_floor(first), mt.uuid7_floor(next));
  if strayed > 0 then
    execute format('insert into moothill.%I (%s) select * from pg_temp.strayed_rows', child, columns);
  end if;
  drop table if exists pg_temp.strayed_rows;
  perform mt.protect_partition(format('moothill.%I', child)::regclass);
  execute format('comment on table moothill.%I is %L', child, format('%s of %s.', base, to_char(month, 'YYYY-MM')));
  -- A log that nobody may empty hands that on, which partitions do not inherit.
  if exists (select from pg_trigger t where t.tgrelid = parent and t.tgname = 'keep_whole') then
    perform mt.keep_whole(format('moothill.%I', child)::regclass, base);
  end if;
  return true;
end $$;

do $$
declare
  one record;
begin
  for one in
    select a.attrelid::regclass as relation, a.attname from pg_attribute a
    where a.attrelid in (select c.oid from pg_class c where c.relnamespace = 'moothill'::regnamespace)
      and a.attnum > 0 and not a.attisdropped and a.attstattarget = 0
  loop
    execute format('alter table %s alter column %I set statistics -1', one.relation, one.attname);
  end loop;
end $$;
drop function mt.no_samples(regclass, name[]);
