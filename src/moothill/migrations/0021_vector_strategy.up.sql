-- phase: pre
-- Vector search under filters: exact or by the index as the share of items that pass and the tenant's size ask, with
-- candidates to spare; and memory for building an index as its partition is large.

create function moothill.search_share(tenant uuid, lift boolean, kinds text[], states text[], tags text[], lowest numeric,
                                      agent uuid, must tsquery, without tsquery) returns double precision
  language plpgsql volatile as $$
declare
  scope text := moothill.search_scope(lift, kinds is not null, states is not null, tags is not null, lowest is not null,
                                      agent is not null, must is not null, without is not null, false);
  first bigint;
  last bigint;
  share double precision;
begin
  -- Ids begin with 48 bits of time: some rows from each of a few places of the tenant's life.
  select ('x' || left(replace(min(b.id::text), '-', ''), 12))::bit(48)::bigint,
         ('x' || left(replace(max(b.id::text), '-', ''), 12))::bit(48)::bigint
  into first, last
  from ((select i.id from moothill.search_items i where i.tenant_id = tenant order by i.id limit 1)
        union all
        (select i.id from moothill.search_items i where i.tenant_id = tenant order by i.id desc limit 1)) b;
  execute format(
    'select avg(case when %s then 1.0 else 0.0 end) from generate_series(0, 15) as n '
    'cross join lateral (select * from moothill.search_items s where s.tenant_id = $1 '
    'and s.id >= (lpad(to_hex($9 + ($10 - $9) * n / 16), 12, ''0'') || repeat(''0'', 20))::uuid '
    'order by s.id limit 16) i%s', scope,
    case when lift then ' left join moothill.search_items h on h.tenant_id = $1 and h.id = i.agent_id' else '' end)
    into share using tenant, kinds, states, tags, lowest, agent, must, without, first, last;
  return coalesce(share, 0);
end $$;
comment on function moothill.search_share(uuid, boolean, text[], text[], text[], numeric, uuid, tsquery, tsquery) is
  'Which share of a tenant''s items passes a filter, by a look at some hundreds of them.';
grant execute on function moothill.search_share(uuid, boolean, text[], text[], text[], numeric, uuid, tsquery, tsquery) to moothill_search;

create or replace function moothill.search_vector(
  tenant uuid, model text, query public.halfvec, lift boolean, kinds text[], states text[], tags text[], lowest numeric,
  agent uuid, must tsquery, without tsquery, size integer, few integer)
  returns table (hits uuid[], items uuid[], near float8[], exact boolean)
  language plpgsql volatile as $$
declare
  here moothill.embedding_placements;
  narrowed boolean := states is not null or tags is not null or lowest is not null or agent is not null
                      or must is not null or without is not null;
  pool integer := case when lift then 3 * size else size end;
  -- Of the places that an index visits beside those that pass, each costs about as much as comparing so many rows.
  visit constant double precision := 16;
  held double precision;
  share double precision := 1;
  driven boolean := false;
  statement text;
  seen bigint;
begin
  select * into here from moothill.embedding_placements p where p.tenant_id = tenant and p.model = search_vector.model;
  exact := coalesce(here.place <> 'own', true);
  if must is not null then
    must := must && ('''' || mt.tenant_lexeme(tenant) || '''')::tsquery;
  end if;
  if not exact then
    if narrowed or kinds is not null then
      driven := moothill.search_few(tenant, kinds, states, tags, agent, must, few);
      exact := driven;
    end if;
    if not exact and (narrowed or kinds is not null) then
      share := moothill.search_share(tenant, lift, kinds, states, tags, lowest, agent, must, without);
      select greatest(c.reltuples, 1) into held from pg_class c
      where c.oid = to_regclass(format('moothill.%I', here.partition));
      -- Under a filter the index gives what passes in rough order only: candidates to spare put that right.
      pool := pool * 4;
      exact := visit * pool >= held * share;
    end if;
    set local hnsw.iterative_scan = 'relaxed_order';
  end if;
  loop
    statement := moothill.search_vector_statement(
      'embedding_' || model, lift, kinds is not null and not driven,
      case when narrowed or driven then
        moothill.search_scope(lift, driven and kinds is not null, states is not null, tags is not null,
                              lowest is not null, agent is not null, must is not null, without is not null, exact)
      else '' end,
      exact);
    if not exact then
      execute format('set local hnsw.ef_search = %s', least(1000, greatest(here.effort, pool)));
    end if;
    execute statement into hits, items, near, seen
      using tenant, kinds, states, tags, lowest, agent, must, without, query, pool;
    exit when cardinality(hits) >= size;
    if seen >= pool then
      -- Several items of the same agents: look further.
      pool := pool * 4;
    elsif not exact then
      -- The index ran dry before enough rows passed the filter.
      exact := true;
    else
      exit;
    end if;
  end loop;
  hits := hits[1:size];
  items := items[1:size];
  near := near[1:size];
  return next;
end $$;
comment on function moothill.search_vector(uuid, text, public.halfvec, boolean, text[], text[], text[], numeric, uuid, tsquery, tsquery, integer, integer) is
  'The nearest hits to a vector: exact in the shared partition and where a filter leaves few items, else by the tenant''s own HNSW.';

create or replace function mt.index_embedding_partition(child text, links integer, candidates integer) returns boolean
  language plpgsql security definer set search_path = pg_catalog, moothill, mt, public, pg_temp as $$
declare
  named text := child || '_hnsw';
  needed bigint;
begin
  if child !~ '^embedding_m\d+_[0-9a-f]{12}$' then
    raise exception '% is no tenant''s partition', child using errcode = '22023';
  end if;
  if to_regclass(format('moothill.%I', named)) is not null then
    return false;
  end if;
  -- A build whose graph does not fit is many times slower: the graph takes about as much as the rows and four fifths
  -- more. Beyond two gigabytes it is the rest that is slow, and not the server that is short of memory.
  needed := least(2048, greatest(64, pg_relation_size(format('moothill.%I', child)::regclass) * 9 / 5 / 1048576 + 16));
  for attempt in 1 .. 3 loop
    execute format('set local maintenance_work_mem = %L', needed || 'MB');
    begin
      execute format('create index %I on moothill.%I using hnsw (vector public.halfvec_ip_ops) '
                     'with (m = %s, ef_construction = %s)', named, child, links, candidates);
      exit;
    exception when disk_full or out_of_memory then
      if attempt = 3 then
        raise;
      end if;
      -- A container's small shared memory stops a parallel build only; then one with little memory is tried.
      set local max_parallel_maintenance_workers = 0;
      needed := case attempt when 1 then needed else 64 end;
    end;
  end loop;
  execute format('analyze moothill.%I (tenant_id, item_id, kind)', child);
  return true;
end $$;
