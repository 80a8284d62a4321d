create or replace function mt.index_embedding_partition(child text, links integer, candidates integer) returns boolean
  language plpgsql security definer set search_path = pg_catalog, moothill, mt, public, pg_temp as $$
declare
  named text := child || '_hnsw';
begin
  if child !~ '^embedding_m\d+_[0-9a-f]{12}$' then
    raise exception '% is no tenant''s partition', child using errcode = '22023';
  end if;
  if to_regclass(format('moothill.%I', named)) is not null then
    return false;
  end if;
  -- A build whose graph does not fit is many times slower; half a gigabyte holds 250,000 vectors of 768.
  set local maintenance_work_mem = '512MB';
  begin
    execute format('create index %I on moothill.%I using hnsw (vector public.halfvec_ip_ops) '
                   'with (m = %s, ef_construction = %s)', named, child, links, candidates);
  exception when disk_full or out_of_memory then
    -- A container's small shared memory stops a parallel build only.
    set local max_parallel_maintenance_workers = 0;
    execute format('create index %I on moothill.%I using hnsw (vector public.halfvec_ip_ops) '
                   'with (m = %s, ef_construction = %s)', named, child, links, candidates);
  end;
  execute format('analyze moothill.%I (tenant_id, item_id, kind)', child);
  return true;
end $$;
create or replace function moothill.search_vector(tenant uuid, model text, query public.halfvec, lift boolean, kinds text[],
                                       states text[], tags text[], lowest numeric, agent uuid, must tsquery,
                                       without tsquery, size integer, few integer)
  returns table (hits uuid[], items uuid[], near float8[], exact boolean)
  language plpgsql volatile as $$
declare
  here moothill.embedding_placements;
  filtered boolean := states is not null or tags is not null or lowest is not null or agent is not null
                      or must is not null or without is not null;
  pool integer := case when lift then 3 * size else size end;
  statement text;
  seen bigint;
begin
  select * into here from moothill.embedding_placements p where p.tenant_id = tenant and p.model = search_vector.model;
  exact := coalesce(here.place <> 'own', true);
  if must is not null then
    must := must && ('''' || mt.tenant_lexeme(tenant) || '''')::tsquery;
  end if;
  if not exact then
    if filtered or kinds is not null then
      exact := moothill.search_few(tenant, kinds, states, tags, agent, must, few);
    end if;
    set local hnsw.iterative_scan = 'relaxed_order';
  end if;
  loop
    statement := moothill.search_vector_statement(
      'embedding_' || model, lift, kinds is not null,
      case when filtered then moothill.search_scope(lift, false, states is not null, tags is not null,
                                                    lowest is not null, agent is not null, must is not null,
                                                    without is not null, exact) else '' end,
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
  return next;
end $$;
comment on function moothill.search_vector(uuid, text, public.halfvec, boolean, text[], text[], text[], numeric, uuid, tsquery, tsquery, integer, integer) is
  'The nearest hits to a vector: exact in the shared partition and under narrow filters, else by the tenant''s own HNSW.';
drop function moothill.search_share(uuid, boolean, text[], text[], text[], numeric, uuid, tsquery, tsquery);
