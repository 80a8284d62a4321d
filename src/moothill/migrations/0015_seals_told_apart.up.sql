-- phase: pre
-- What is no seal is not taken for one, a month that is made late takes its rows over as they are sealed, and the
-- planner keeps no samples of content.

-- A seal stands alone: an object with something beside it is a caller's own, as the program has it.
create or replace function mt.seal_key(stored jsonb) returns integer
  language sql immutable parallel safe
as $$
  select case when stored ? '$sealed' and stored - '$sealed' = '{}' and jsonb_typeof(stored -> '$sealed' -> 'k') = 'number'
                   and stored -> '$sealed' ->> 'k' ~ '^[1-9][0-9]{0,8}$'
              then (stored -> '$sealed' ->> 'k')::integer end
$$;

-- ANALYZE keeps samples of a column, of all tenants, on disk; nothing filters or sorts by what may be sealed.
create function mt.no_samples(relation regclass, columns name[]) returns void
  language plpgsql as $$
declare
  one regclass;
  part name;
begin
  for one in
    select relation union
    select i.inhrelid::regclass from pg_inherits i where i.inhparent = relation
  loop
    foreach part in array columns loop
      execute format('alter table %s alter column %I set statistics 0', one, part);
    end loop;
  end loop;
end $$;
comment on function mt.no_samples(regclass, name[]) is
  'Has the server keep no samples of columns whose content may be sealed, in a table and its partitions.';

select mt.no_samples('moothill.agents', '{config, metadata}');
select mt.no_samples('moothill.agent_cards', '{content}');
select mt.no_samples('moothill.capabilities', '{metadata}');
select mt.no_samples('moothill.capability_evidence', '{sentence}');
select mt.no_samples('moothill.jobs', '{arguments, cursor}');
select mt.no_samples('moothill.idempotency_keys', '{result}');
select mt.no_samples('moothill.events', '{payload, changes}');

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
  seals boolean;
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
    -- They keep the seal that they have: of a key that has been retired or destroyed since, or none yet.
    seals := exists (select from pg_trigger t where t.tgrelid = to_regclass(format('moothill.%I', child))
                     and t.tgname = 'sealed_rows');
    if seals then
      execute format('alter table moothill.%I disable trigger sealed_rows', child);
    end if;
    execute format('insert into moothill.%I (%s) select * from pg_temp.strayed_rows', child, columns);
    if seals then
      execute format('alter table moothill.%I enable trigger sealed_rows', child);
    end if;
  end if;
  drop table if exists pg_temp.strayed_rows;
  perform mt.protect_partition(format('moothill.%I', child)::regclass);
  perform mt.no_samples(format('moothill.%I', child)::regclass, array(
    select a.attname from pg_attribute a where a.attrelid = parent and a.attnum > 0 and not a.attisdropped and a.attstattarget = 0));
  execute format('comment on table moothill.%I is %L', child, format('%s of %s.', base, to_char(month, 'YYYY-MM')));
  -- A log that nobody may empty hands that on, which partitions do not inherit.
  if exists (select from pg_trigger t where t.tgrelid = parent and t.tgname = 'keep_whole') then
    perform mt.keep_whole(format('moothill.%I', child)::regclass, base);
  end if;
  return true;
end $$;
