-- phase: pre
-- Search: one row of text and facets for each item, one narrow table of vectors for each embedding model.
--
-- The text of an item holds its tenant as a lexeme (mt.tenant_lexeme), so that the GIN index, which
-- is shared, finds the rows of one tenant and one word together. A model's table is partitioned by
-- tenant: a shared partition that is scanned exactly, and a partition with an HNSW index of its own
-- for each large tenant. Row security would keep both kinds of index from being used, so searching
-- is done in functions of moothill_search, whose bodies name the tenant.

create table moothill.embedding_models (
  slug text not null constraint embedding_models_pkey primary key
    constraint embedding_models_slug_check check (slug ~ '^[a-z0-9_]{1,32}$'),
  number integer not null constraint embedding_models_number_key unique,
  dimensions integer not null constraint embedding_models_dimensions_check check (dimensions between 1 and 4000),
  created_at timestamptz not null default now()
);
select mt.reference('moothill.embedding_models');
grant select on moothill.embedding_models
  to moothill_app, moothill_readonly, moothill_auditor, moothill_search, moothill_jobs;
comment on table moothill.embedding_models is 'Embedding models that have a table, embedding_<slug>; vectors of two models never meet.';
comment on column moothill.embedding_models.slug is 'Model and dimensions, as its provider names them.';
comment on column moothill.embedding_models.number is 'Names the partitions, so that their names stay short.';
comment on column moothill.embedding_models.dimensions is 'Length of its vectors.';
comment on column moothill.embedding_models.created_at is 'When its table was made.';

create table moothill.search_items (
  tenant_id uuid not null,
  id uuid not null,
  kind text not null constraint search_items_kind_check check (kind ~ '^[a-z][a-z_]{0,30}$'),
  key text,
  agent_id uuid,
  title text not null,
  body text not null default '',
  tsv tsvector not null,
  status text,
  confidence numeric constraint search_items_confidence_check check (confidence between 0 and 1),
  digest bytea not null constraint search_items_digest_check check (length(digest) = 32),
  updated_at timestamptz not null default now()
) with (fillfactor = 85);
select mt.distribute('moothill.search_items');
-- Written at once, not into a pending list, which every search would have to read through.
create index search_items_tsv_idx on moothill.search_items using gin (tsv) with (fastupdate = off);
-- Status is in no index: it changes often, and a heap-only update spares the GIN index. Confidence changes seldom.
create index search_items_kind_idx on moothill.search_items (tenant_id, kind);
create index search_items_agent_idx on moothill.search_items (tenant_id, agent_id);
create index search_items_confidence_idx on moothill.search_items (tenant_id, confidence);
create index search_items_key_idx on moothill.search_items (tenant_id, key) where key is not null;
-- The key comes last: while a table is young, all its indexes look alike to the planner, and it takes the newest one.
-- By another, each reference from a facet to its item would walk through all items of the tenant in a bulk load.
alter table moothill.search_items add constraint search_items_pkey primary key (tenant_id, id);
select mt.protect('moothill.search_items');
create policy search_rows on moothill.search_items for select to moothill_search using (true);
grant select, insert, update, delete on moothill.search_items to moothill_app;
grant select on moothill.search_items to moothill_readonly, moothill_auditor, moothill_search;
comment on table moothill.search_items is 'What can be found: one row for each agent, capability and so on, written with its source.';
comment on column moothill.search_items.tenant_id is 'Whose it is.';
comment on column moothill.search_items.id is 'Id of the thing itself.';
comment on column moothill.search_items.kind is 'agent, capability, task, verdict, idea, record and so on.';
comment on column moothill.search_items.key is 'The caller''s own key of the thing, such as an agent''s agent_id.';
comment on column moothill.search_items.agent_id is 'The agent that it belongs to; an agent belongs to itself.';
comment on column moothill.search_items.title is 'Name for people.';
comment on column moothill.search_items.body is 'The text that is searched beside the title.';
comment on column moothill.search_items.tsv is 'Lexemes: title (A), keywords (B), body (C), exact forms of the body (D), and the tenant.';
comment on column moothill.search_items.status is 'State of the thing, for filters.';
comment on column moothill.search_items.confidence is 'How sure it is, 0 to 1; null where that says nothing.';
comment on column moothill.search_items.digest is 'SHA-256 of the text that is embedded: a vector made from another text is not stored.';
comment on column moothill.search_items.updated_at is 'When the row was last written.';

create table moothill.search_item_facets (
  tenant_id uuid not null,
  item_id uuid not null,
  facet text not null constraint search_item_facets_facet_check check (facet in ('status', 'tag')),
  value text not null constraint search_item_facets_value_check check (length(value) between 1 and 200),
  constraint search_item_facets_pkey primary key (tenant_id, item_id, facet, value)
);
select mt.distribute('moothill.search_item_facets');
alter table moothill.search_item_facets add constraint search_item_facets_item_fkey
  foreign key (tenant_id, item_id) references moothill.search_items (tenant_id, id) on delete cascade;
create index search_item_facets_value_idx on moothill.search_item_facets (tenant_id, facet, value, item_id);
select mt.protect('moothill.search_item_facets');
create policy search_rows on moothill.search_item_facets for select to moothill_search using (true);
grant select, insert, delete on moothill.search_item_facets to moothill_app;
grant select on moothill.search_item_facets to moothill_readonly, moothill_auditor, moothill_search;
comment on table moothill.search_item_facets is 'Tags and states of items: a filter that few items pass is answered from here.';
comment on column moothill.search_item_facets.tenant_id is 'Whose it is.';
comment on column moothill.search_item_facets.item_id is 'The item.';
comment on column moothill.search_item_facets.facet is 'status or tag.';
comment on column moothill.search_item_facets.value is 'The state or the tag.';

create table moothill.embedding_placements (
  tenant_id uuid not null,
  model text not null,
  state text not null constraint embedding_placements_state_check check (state in ('building', 'serving', 'retired')),
  place text not null default 'shared'
    constraint embedding_placements_place_check check (place in ('shared', 'copying', 'own')),
  partition text,
  copied_to uuid,
  copied bigint not null default 0,
  effort integer not null default 100
    constraint embedding_placements_effort_check check (effort between 10 and 1000),
  changed_at timestamptz not null default now(),
  constraint embedding_placements_pkey primary key (tenant_id, model)
);
select mt.distribute('moothill.embedding_placements');
create unique index embedding_placements_serving_key on moothill.embedding_placements (tenant_id)
  where state = 'serving';
select mt.protect('moothill.embedding_placements');
create policy search_rows on moothill.embedding_placements for select to moothill_search using (true);
create policy jobs_rows on moothill.embedding_placements to moothill_jobs using (true) with check (true);
-- Where a tenant's vectors lie is for the movers below to say: what they do with a partition, they do to its name.
grant select, insert (tenant_id, model, state), update (state, effort, changed_at) on moothill.embedding_placements
  to moothill_app;
grant select on moothill.embedding_placements to moothill_readonly, moothill_auditor, moothill_search;
grant select, insert, update, delete on moothill.embedding_placements to moothill_jobs;
comment on table moothill.embedding_placements is 'Which models a tenant has vectors of, which one answers, and in which partition they lie.';
comment on column moothill.embedding_placements.tenant_id is 'Whose it is.';
comment on column moothill.embedding_placements.model is 'Slug of the embedding model.';
comment on column moothill.embedding_placements.state is 'building, serving (one of them) or retired: its vectors go.';
comment on column moothill.embedding_placements.place is 'shared: scanned exactly; copying: on the way out of it; own: a partition with its own HNSW.';
comment on column moothill.embedding_placements.partition is 'The tenant''s own partition, when there is one.';
comment on column moothill.embedding_placements.copied_to is 'How far the copy has come.';
comment on column moothill.embedding_placements.copied is 'Vectors copied so far.';
comment on column moothill.embedding_placements.effort is 'hnsw.ef_search of this tenant''s searches.';
comment on column moothill.embedding_placements.changed_at is 'When state or place last changed.';

create table moothill.embedding_queue (
  tenant_id uuid not null,
  model text not null,
  item_id uuid not null,
  queued_at timestamptz not null default now(),
  attempts integer not null default 0,
  error text,
  constraint embedding_queue_pkey primary key (tenant_id, model, item_id)
);
select mt.distribute('moothill.embedding_queue');
alter table moothill.embedding_queue add constraint embedding_queue_item_fkey
  foreign key (tenant_id, item_id) references moothill.search_items (tenant_id, id) on delete cascade;
create index embedding_queue_item_idx on moothill.embedding_queue (tenant_id, item_id);
select mt.protect('moothill.embedding_queue');
create policy search_rows on moothill.embedding_queue for select to moothill_search using (true);
grant select, insert, update, delete on moothill.embedding_queue to moothill_app;
grant select on moothill.embedding_queue to moothill_readonly, moothill_auditor, moothill_search;
comment on table moothill.embedding_queue is 'Items whose vector is yet to be made: a remote provider, a bulk write, a second model.';
comment on column moothill.embedding_queue.tenant_id is 'Whose it is.';
comment on column moothill.embedding_queue.model is 'Slug of the embedding model.';
comment on column moothill.embedding_queue.item_id is 'The item.';
comment on column moothill.embedding_queue.queued_at is 'When its text was last written; the lag is counted from here.';
comment on column moothill.embedding_queue.attempts is 'Tries that failed.';
comment on column moothill.embedding_queue.error is 'Code of the last failure.';

create table moothill.embedding_moves (
  tenant_id uuid not null,
  id uuid not null,
  model text not null,
  item_id uuid not null,
  constraint embedding_moves_pkey primary key (tenant_id, id)
);
select mt.distribute('moothill.embedding_moves');
select mt.protect('moothill.embedding_moves');
create policy jobs_rows on moothill.embedding_moves to moothill_jobs using (true) with check (true);
grant insert on moothill.embedding_moves to moothill_app;
grant select, delete on moothill.embedding_moves to moothill_jobs;
comment on table moothill.embedding_moves is 'Vectors written while their tenant''s partition is being copied; they are copied again.';
comment on column moothill.embedding_moves.tenant_id is 'Whose it is.';
comment on column moothill.embedding_moves.id is 'Id: each write leaves a row of its own, so that none can hide behind another.';
comment on column moothill.embedding_moves.model is 'Slug of the embedding model.';
comment on column moothill.embedding_moves.item_id is 'The item whose vector was written or removed.';

-- ------------------------------------------------------------------ tables and partitions made at run time

create function mt.tenant_lexeme(tenant uuid) returns text
  language sql immutable parallel safe
  return E'\x01' || tenant::text;
comment on function mt.tenant_lexeme(uuid) is
  'The lexeme that marks a tenant''s texts; its control character cannot come from a text or a query.';
grant execute on function mt.tenant_lexeme(uuid)
  to moothill_app, moothill_readonly, moothill_auditor, moothill_search, moothill_jobs;

create function mt.make_embedding_model(model text, width integer) returns text
  language plpgsql security definer set search_path = pg_catalog, moothill, mt, public, pg_temp as $$
declare
  relation text := 'embedding_' || model;
  shared text;
  known integer;
  next_number integer;
begin
  if model is null or model !~ '^[a-z0-9_]{1,32}$' or width is null or width not between 1 and 4000 then
    raise exception 'no embedding model can be called % with % dimensions', model, width using errcode = '22023';
  end if;
  perform pg_advisory_xact_lock(hashtext('moothill.embedding_models'));
  select m.dimensions into known from moothill.embedding_models m where m.slug = model;
  if found then
    if known <> width then
      raise exception 'model % has % dimensions, not %', model, known, width using errcode = '22023';
    end if;
    return relation;
  end if;
  if to_regclass(format('moothill.%I', relation)) is not null then
    raise exception 'an embedding model cannot be called %', model using errcode = '22023';
  end if;
  select coalesce(max(number), 0) + 1 into next_number from moothill.embedding_models;
  if next_number > 100 then
    raise exception 'there are 100 embedding models already' using errcode = '54000';
  end if;
  shared := format('embedding_m%s_shared', next_number);
  execute format(
    'create table moothill.%I (tenant_id uuid not null, item_id uuid not null, kind text not null, '
    'vector public.halfvec(%s) storage plain not null, constraint %I primary key (tenant_id, item_id)) '
    'partition by list (tenant_id)', relation, width, relation || '_pkey');
  perform mt.distribute(format('moothill.%I', relation)::regclass);
  execute format('create table moothill.%I partition of moothill.%I default', shared, relation);
  perform mt.protect(format('moothill.%I', relation)::regclass);
  perform mt.protect_partition(format('moothill.%I', shared)::regclass);
  execute format('create policy search_rows on moothill.%I for select to moothill_search using (true)', relation);
  execute format('create policy jobs_rows on moothill.%I to moothill_jobs using (true) with check (true)', relation);
  execute format('grant select, insert, update, delete on moothill.%I to moothill_app, moothill_jobs', relation);
  execute format('grant select on moothill.%I to moothill_readonly, moothill_auditor, moothill_search', relation);
  execute format('comment on table moothill.%I is %L', relation, format('Vectors of the model %s.', model));
  execute format('comment on table moothill.%I is %L', shared,
                 format('Vectors of the model %s of every tenant without a partition of its own.', model));
  execute format('comment on column moothill.%I.tenant_id is %L', relation, 'Whose it is.');
  execute format('comment on column moothill.%I.item_id is %L', relation, 'The item in search_items.');
  execute format('comment on column moothill.%I.kind is %L', relation, 'Kind of the item, so that a search for one kind needs no join.');
  execute format('comment on column moothill.%I.vector is %L', relation, 'Its vector, of length 1; never out of line.');
  insert into moothill.embedding_models (slug, number, dimensions) values (model, next_number, width);
  return relation;
end $$;
comment on function mt.make_embedding_model(text, integer) is
  'Makes the table of an embedding model, with its shared partition; nothing when it exists.';

create function mt.make_embedding_partition(model text, tenant uuid) returns text
  language plpgsql security definer set search_path = pg_catalog, moothill, mt, public, pg_temp as $$
declare
  child text;
begin
  select format('embedding_m%s_%s', m.number, left(md5(tenant::text), 12)) into strict child
  from moothill.embedding_models m
  where m.slug = model;
  execute format(
    'create table moothill.%I (like moothill.%I including storage, constraint %I primary key (tenant_id, item_id), '
    'constraint %I check (tenant_id = %L))',
    child, 'embedding_' || model, child || '_pkey', child || '_tenant', tenant);
  perform mt.protect_partition(format('moothill.%I', child)::regclass);
  execute format('create policy jobs_rows on moothill.%I to moothill_jobs using (true) with check (true)', child);
  execute format('grant select, insert, delete on moothill.%I to moothill_jobs', child);
  execute format('comment on table moothill.%I is %L', child, format('Vectors of the model %s of tenant %s.', model, tenant));
  return child;
end $$;
comment on function mt.make_embedding_partition(text, uuid) is 'Makes a tenant''s own partition, not attached yet.';

create function mt.index_embedding_partition(child text, links integer, candidates integer) returns boolean
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
comment on function mt.index_embedding_partition(text, integer, integer) is
  'Builds the HNSW index of a tenant''s partition; false when it has one.';

create function mt.attach_embedding_partition(model text, child text, tenant uuid) returns void
  language plpgsql security definer set search_path = pg_catalog, moothill, mt, public, pg_temp as $$
begin
  execute format('alter table moothill.%I attach partition moothill.%I for values in (%L)',
                 'embedding_' || model, child, tenant);
  execute format('alter table moothill.%I drop constraint %I', child, child || '_tenant');
end $$;
comment on function mt.attach_embedding_partition(text, text, uuid) is
  'Attaches a tenant''s filled partition; the shared one must hold none of its rows any more.';

create function mt.drop_embedding_partition(model text, child text, attached boolean, emptied boolean) returns void
  language plpgsql security definer set search_path = pg_catalog, moothill, mt, public, pg_temp as $$
begin
  if child !~ '^embedding_m\d+_[0-9a-f]{12}$' then
    raise exception '% is no tenant''s partition', child using errcode = '22023';
  end if;
  if attached then
    execute format('alter table moothill.%I detach partition moothill.%I', 'embedding_' || model, child);
  end if;
  if emptied then
    execute format('drop table moothill.%I', child);
  end if;
end $$;
comment on function mt.drop_embedding_partition(text, text, boolean, boolean) is
  'Detaches a tenant''s partition when it is attached, and drops it when nothing in it is needed any more.';

revoke execute on function mt.make_embedding_model(text, integer), mt.make_embedding_partition(text, uuid),
  mt.index_embedding_partition(text, integer, integer), mt.attach_embedding_partition(text, text, uuid),
  mt.drop_embedding_partition(text, text, boolean, boolean) from public;
grant execute on function mt.make_embedding_model(text, integer), mt.make_embedding_partition(text, uuid),
  mt.index_embedding_partition(text, integer, integer), mt.attach_embedding_partition(text, text, uuid),
  mt.drop_embedding_partition(text, text, boolean, boolean) to moothill_jobs;

create function mt.move_embeddings(tenant uuid, model text) returns void
  language plpgsql as $$
begin
  perform pg_advisory_xact_lock(1701732709, hashtext(model || tenant::text));
end $$;
comment on function mt.move_embeddings(uuid, text) is
  'One mover of a tenant''s vectors at a time, whichever locks it takes afterwards.';
grant execute on function mt.move_embeddings(uuid, text) to moothill_jobs;

create function mt.hold_embeddings(tenant uuid, model text, alone boolean) returns void
  language plpgsql as $$
begin
  if alone then
    perform pg_advisory_xact_lock(1701732708, hashtext(model || tenant::text));
  else
    perform pg_advisory_xact_lock_shared(1701732708, hashtext(model || tenant::text));
  end if;
end $$;
comment on function mt.hold_embeddings(uuid, text, boolean) is
  'Writers of a tenant''s vectors share this lock until their commit; who changes their partition takes it alone.';
grant execute on function mt.hold_embeddings(uuid, text, boolean) to moothill_app, moothill_jobs;

create function mt.same_tenant(tenant uuid) returns void
  language plpgsql stable as $$
begin
  if tenant is null or tenant is distinct from mt.tenant() then
    raise exception 'the tenant of the call is not the tenant of the session' using errcode = '42501';
  end if;
end $$;
comment on function mt.same_tenant(uuid) is
  'Refuses a tenant other than the session''s: the argument only routes the call on a cluster.';
grant execute on function mt.same_tenant(uuid) to moothill_app, moothill_search, moothill_jobs;

create function moothill.embedding_admit(model text, width integer) returns text
  language sql volatile security definer set search_path = pg_catalog, moothill, mt, public, pg_temp
as $$
  select mt.make_embedding_model(model, width);
$$;
comment on function moothill.embedding_admit(text, integer) is 'Makes the table of an embedding model once.';
select mt.lend('moothill.embedding_admit(text, integer)'::regprocedure, 'moothill_jobs');

create function moothill.embedding_catch_up(tenant uuid, wanted text, child text) returns void
  language plpgsql volatile security definer set search_path = pg_catalog, moothill, mt, public, pg_temp as $$
declare
  moved uuid[];
begin
  perform mt.same_tenant(tenant);
  -- Statements below see at least what this one saw: a move that is taken is copied as it is now.
  with taken as (
    delete from moothill.embedding_moves v where v.tenant_id = tenant and v.model = wanted returning v.item_id
  )
  select array_agg(distinct item_id) into moved from taken;
  if moved is null then
    return;
  end if;
  execute format('delete from moothill.%I where tenant_id = $1 and item_id = any($2)', child) using tenant, moved;
  execute format('insert into moothill.%I (tenant_id, item_id, kind, vector) '
                 'select tenant_id, item_id, kind, vector from moothill.%I where tenant_id = $1 and item_id = any($2)',
                 child, 'embedding_' || wanted) using tenant, moved;
end $$;
comment on function moothill.embedding_catch_up(uuid, text, text) is
  'Copies again what was written since it was copied.';
-- A part of the promotion below, and not lent to the app: the name of a table is nobody else's to give.
revoke all on function moothill.embedding_catch_up(uuid, text, text) from public;
alter function moothill.embedding_catch_up(uuid, text, text) owner to moothill_jobs;

create function moothill.embedding_promote(tenant uuid, wanted text, links integer, candidates integer,
                                           batch integer, bulk bigint)
  returns table (place text, copied bigint, finished boolean)
  language plpgsql volatile security definer set search_path = pg_catalog, moothill, mt, public, pg_temp as $$
#variable_conflict use_column
declare
  here moothill.embedding_placements;
  parent text := 'embedding_' || wanted;
  child text;
  held bigint;
  last uuid;
begin
  perform mt.same_tenant(tenant);
  -- Between deadlock_timeout (1 s), when a waiting mover sends autovacuum away and is the first to notice that it
  -- and a call wait for each other, and twice that, when the call would: it is the mover that gives way.
  set local lock_timeout = '1900ms';
  perform mt.move_embeddings(tenant, wanted);
  select * into here from moothill.embedding_placements p where p.tenant_id = tenant and p.model = wanted;
  if not found or here.place = 'own' or to_regclass('pg_catalog.pg_dist_partition') is not null then
    return query select coalesce(here.place, 'shared'), coalesce(here.copied, 0), true;
    return;
  end if;

  if here.place = 'shared' then
    -- Alone: from now on every writer finds `copying` and notes what it writes.
    perform mt.hold_embeddings(tenant, wanted, true);
    select * into here from moothill.embedding_placements p
    where p.tenant_id = tenant and p.model = wanted for update;
    if here.place = 'shared' then
      child := mt.make_embedding_partition(wanted, tenant);
      execute format('select count(*) from moothill.%I where tenant_id = $1', parent) into held using tenant;
      if held > bulk then
        -- Building the index in one go would be quicker, but one long transaction holds up the feed of events.
        perform mt.index_embedding_partition(child, links, candidates);
      end if;
      update moothill.embedding_placements p
      set place = 'copying', partition = child, copied_to = null, copied = 0, changed_at = now()
      where p.tenant_id = tenant and p.model = wanted;
    end if;
    return query select 'copying'::text, 0::bigint, false;
    return;
  end if;

  select * into here from moothill.embedding_placements p
  where p.tenant_id = tenant and p.model = wanted for update;
  if here.place <> 'copying' then
    return query select here.place, here.copied, true;
    return;
  end if;
  execute format(
    'with part as materialized (select item_id, kind, vector from moothill.%I '
    'where tenant_id = $1 and ($2 is null or item_id > $2) order by item_id limit $3), '
    'put as (insert into moothill.%I (tenant_id, item_id, kind, vector) '
    'select $1, item_id, kind, vector from part on conflict (tenant_id, item_id) do nothing) '
    'select count(*), (array_agg(item_id order by item_id desc))[1] from part', parent, here.partition)
    into held, last using tenant, here.copied_to, batch;
  if held > 0 then
    -- What comes after the last full batch was written since the copy began, and is noted as a move: were it
    -- copied too, a busy tenant's copy would never end.
    update moothill.embedding_placements p
    set copied = p.copied + held,
        copied_to = case when held < batch then 'ffffffff-ffff-ffff-ffff-ffffffffffff' else last end
    where p.tenant_id = tenant and p.model = wanted;
    return query select 'copying'::text, here.copied + held, false;
    return;
  end if;
  perform moothill.embedding_catch_up(tenant, wanted, here.partition);
  if mt.index_embedding_partition(here.partition, links, candidates) then
    return query select 'copying'::text, here.copied, false;
    return;
  end if;

  perform mt.hold_embeddings(tenant, wanted, true);
  perform moothill.embedding_catch_up(tenant, wanted, here.partition);
  execute format('delete from moothill.%I where tenant_id = $1', parent) using tenant;
  perform mt.attach_embedding_partition(wanted, here.partition, tenant);
  update moothill.embedding_placements p set place = 'own', changed_at = now()
  where p.tenant_id = tenant and p.model = wanted;
  return query select 'own'::text, here.copied, true;
end $$;
comment on function moothill.embedding_promote(uuid, text, integer, integer, integer, bigint) is
  'One step on a tenant''s way to a partition of its own: begin, copy a batch, build the index, attach.';
select mt.lend('moothill.embedding_promote(uuid, text, integer, integer, integer, bigint)'::regprocedure,
               'moothill_jobs');

create function moothill.embedding_demote(tenant uuid, wanted text, most bigint) returns boolean
  language plpgsql volatile security definer set search_path = pg_catalog, moothill, mt, public, pg_temp as $$
declare
  here moothill.embedding_placements;
  held bigint;
begin
  perform mt.same_tenant(tenant);
  -- Between deadlock_timeout (1 s), when a waiting mover sends autovacuum away and is the first to notice that it
  -- and a call wait for each other, and twice that, when the call would: it is the mover that gives way.
  set local lock_timeout = '1900ms';
  perform mt.move_embeddings(tenant, wanted);
  perform mt.hold_embeddings(tenant, wanted, true);
  select * into here from moothill.embedding_placements p
  where p.tenant_id = tenant and p.model = wanted for update;
  if not found or here.place = 'shared' then
    return false;
  end if;
  if here.place = 'own' then
    execute format('select count(*) from (select from moothill.%I where tenant_id = $1 limit $2) as few',
                   'embedding_' || wanted) into held using tenant, most + 1;
    if held > most then
      return false;
    end if;
    perform mt.drop_embedding_partition(wanted, here.partition, true, false);
    execute format('insert into moothill.%I (tenant_id, item_id, kind, vector) '
                   'select tenant_id, item_id, kind, vector from moothill.%I where tenant_id = $1',
                   'embedding_' || wanted, here.partition) using tenant;
  end if;
  perform mt.drop_embedding_partition(wanted, here.partition, false, true);
  delete from moothill.embedding_moves v where v.tenant_id = tenant and v.model = wanted;
  update moothill.embedding_placements p
  set place = 'shared', partition = null, copied_to = null, copied = 0, changed_at = now()
  where p.tenant_id = tenant and p.model = wanted;
  return true;
end $$;
comment on function moothill.embedding_demote(uuid, text, bigint) is
  'Brings a tenant with few vectors back into the shared partition; false when it has more than that.';
select mt.lend('moothill.embedding_demote(uuid, text, bigint)'::regprocedure, 'moothill_jobs');

create function moothill.embedding_retire(tenant uuid, wanted text, batch integer, grace interval) returns boolean
  language plpgsql volatile security definer set search_path = pg_catalog, moothill, mt, public, pg_temp as $$
declare
  here moothill.embedding_placements;
  held bigint;
begin
  perform mt.same_tenant(tenant);
  -- Between deadlock_timeout (1 s), when a waiting mover sends autovacuum away and is the first to notice that it
  -- and a call wait for each other, and twice that, when the call would: it is the mover that gives way.
  set local lock_timeout = '1900ms';
  perform mt.move_embeddings(tenant, wanted);
  perform mt.hold_embeddings(tenant, wanted, true);
  select * into here from moothill.embedding_placements p
  where p.tenant_id = tenant and p.model = wanted and p.state = 'retired'
    and p.changed_at <= now() - grace
  for update;
  if not found then
    return true;
  end if;
  if here.partition is not null then
    perform mt.drop_embedding_partition(wanted, here.partition, here.place = 'own', true);
    update moothill.embedding_placements p set place = 'shared', partition = null
    where p.tenant_id = tenant and p.model = wanted;
  end if;
  execute format('delete from moothill.%1$I where tenant_id = $1 and item_id in '
                 '(select item_id from moothill.%1$I where tenant_id = $1 order by item_id limit $2)',
                 'embedding_' || wanted) using tenant, batch;
  get diagnostics held = row_count;
  if held = batch then
    return false;
  end if;
  delete from moothill.embedding_moves v where v.tenant_id = tenant and v.model = wanted;
  delete from moothill.embedding_placements p where p.tenant_id = tenant and p.model = wanted;
  return true;
end $$;
comment on function moothill.embedding_retire(uuid, text, integer, interval) is
  'Removes a batch of the vectors of a model that was retired some time ago; true when there is no more to do.';
select mt.lend('moothill.embedding_retire(uuid, text, integer, interval)'::regprocedure, 'moothill_jobs');

-- ------------------------------------------------------------------------------------------- writing vectors

create function moothill.put_embedding(tenant uuid, wanted text, item uuid, item_kind text, unit public.halfvec,
                                       queued timestamptz default null) returns void
  language plpgsql volatile as $$
declare
  home text;
begin
  perform mt.hold_embeddings(tenant, wanted, false);
  select p.place into home from moothill.embedding_placements p where p.tenant_id = tenant and p.model = wanted;
  if not found then
    insert into moothill.embedding_placements (tenant_id, model, state)
    values (tenant, wanted, case when exists (
              select from moothill.embedding_placements p where p.tenant_id = tenant and p.state = 'serving')
            then 'building' else 'serving' end)
    on conflict do nothing;
  end if;
  if unit is null then
    execute format('delete from moothill.%I where tenant_id = $1 and item_id = $2', 'embedding_' || wanted)
      using tenant, item;
  else
    execute format('insert into moothill.%I (tenant_id, item_id, kind, vector) values ($1, $2, $3, $4) '
                   'on conflict (tenant_id, item_id) do update set kind = excluded.kind, vector = excluded.vector',
                   'embedding_' || wanted) using tenant, item, item_kind, unit;
  end if;
  if home = 'copying' then
    insert into moothill.embedding_moves (tenant_id, id, model, item_id)
    values (tenant, gen_random_uuid(), wanted, item);
  end if;
  delete from moothill.embedding_queue q
  where q.tenant_id = tenant and q.model = wanted and q.item_id = item and q.queued_at <= coalesce(queued, 'infinity');
end $$;
comment on function moothill.put_embedding(uuid, text, uuid, text, public.halfvec, timestamptz) is
  'Stores the vector of an item, or removes it (null), with the caller''s own rights.';
grant execute on function moothill.put_embedding(uuid, text, uuid, text, public.halfvec, timestamptz) to moothill_app;

create function moothill.drop_embeddings(tenant uuid, items uuid[]) returns void
  language plpgsql volatile as $$
declare
  home record;
begin
  for home in
    select p.model, p.place from moothill.embedding_placements p where p.tenant_id = tenant order by p.model
  loop
    perform mt.hold_embeddings(tenant, home.model, false);
    execute format('delete from moothill.%I where tenant_id = $1 and item_id = any($2)', 'embedding_' || home.model)
      using tenant, items;
    -- The place is read again: it may have changed while this transaction waited for the lock.
    insert into moothill.embedding_moves (tenant_id, id, model, item_id)
    select p.tenant_id, gen_random_uuid(), p.model, t.item
    from moothill.embedding_placements p, unnest(items) as t (item)
    where p.tenant_id = tenant and p.model = home.model and p.place = 'copying';
  end loop;
end $$;
comment on function moothill.drop_embeddings(uuid, uuid[]) is
  'Removes the vectors of items from every model, with the caller''s own rights.';
grant execute on function moothill.drop_embeddings(uuid, uuid[]) to moothill_app;

-- ------------------------------------------------------------------------------------------------- searching
--
-- The statements are put together from what the call asks for and planned for its values, because the
-- right plan depends on the tenant's size. They share their parameters: $1 tenant, $2 kinds, $3 states,
-- $4 tags, $5 least confidence, $6 agent. `i` is the item that matches, `h` the hit it counts for: the
-- item itself or, where matches lift their agent, the agent.

create function moothill.search_scope(lift boolean, kinds boolean, states boolean, tags boolean, lowest boolean,
                                      agent boolean, driven boolean) returns text
  language sql immutable parallel safe as $$
  select concat_ws(' and ',
    case when kinds then 'i.kind = any($2)' end,
    case when states and driven then
      format('%s.id in (select f.item_id from moothill.search_item_facets f '
             'where f.tenant_id = $1 and f.facet = ''status'' and f.value = any($3))', hit)
    when states then format('%s.status = any($3)', hit) end,
    case when tags and driven then
      format('%s.id in (select f.item_id from moothill.search_item_facets f where f.tenant_id = $1 '
             'and f.facet = ''tag'' and f.value = any($4) group by f.item_id having count(*) = cardinality($4))', hit)
    when tags then
      format('(select count(*) from moothill.search_item_facets f where f.tenant_id = $1 and f.item_id = %s.id '
             'and f.facet = ''tag'' and f.value = any($4)) = cardinality($4)', hit) end,
    case when lowest then '(i.confidence is null or i.confidence >= $5)' end,
    case when agent then 'i.agent_id = $6' end)
  from (select case when lift then 'h' else 'i' end) as alias (hit);
$$;
comment on function moothill.search_scope(boolean, boolean, boolean, boolean, boolean, boolean, boolean) is
  'The conditions of a filter; driven: written so that the rows that pass it are looked up first.';

create function moothill.search_vector_statement(relation text, lift boolean, kinds boolean, scope text, exact boolean)
  returns text
  language sql immutable parallel safe as $$
  select format(
    'with close as materialized (select e.item_id, e.vector operator(public.<#>) $7 as distance from %1$s where %2$s '
    'order by '
    -- An expression is no index's order: every row is compared.
    || case when exact then '(e.vector operator(public.<#>) $7) + 0' else 'e.vector operator(public.<#>) $7' end
    || ' limit $8) ' ||
    case when lift then
      'select array_agg(f.hit), array_agg(f.item), array_agg(f.near), (select count(*) from close) from ('
      'select i.agent_id as hit, (array_agg(c.item_id order by c.distance, c.item_id))[1] as item, '
      '-min(c.distance) as near from close c '
      'join moothill.search_items i on i.tenant_id = $1 and i.id = c.item_id '
      'where i.agent_id is not null group by i.agent_id order by near desc, hit) f'
    else
      'select array_agg(f.item_id), array_agg(f.item_id), array_agg(-f.distance), count(*) '
      'from (select item_id, distance from close order by distance, item_id) f'
    end,
    format('moothill.%I e', relation)
      || case when scope <> '' then ' join moothill.search_items i on i.tenant_id = $1 and i.id = e.item_id' else '' end
      || case when scope <> '' and lift then
           ' join moothill.search_items h on h.tenant_id = $1 and h.id = i.agent_id' else '' end,
    concat_ws(' and ', 'e.tenant_id = $1', case when kinds then 'e.kind = any($2)' end, nullif(scope, '')));
$$;
comment on function moothill.search_vector_statement(text, boolean, boolean, text, boolean) is
  'The statement of a search by vector ($7), for the nearest $8 items: in order of the HNSW index, or exact.';

create function moothill.search_text_statement(lift boolean, scope text, words integer) returns text
  language sql immutable parallel safe as $$
  select format(
    'with found as materialized (select i.id, %1$s as hit, %2$s as score from moothill.search_items i%3$s '
    'where i.tenant_id = $1 and i.tsv @@ $7%4$s) '
    'select array_agg(f.hit), array_agg(f.item), array_agg(f.best) from ('
    'select hit, (array_agg(id order by score desc, id))[1] as item, max(score) as best from found '
    'where hit is not null group by hit order by best desc, hit limit $10) f',
    case when lift then 'i.agent_id' else 'i.id' end,
    (select string_agg(format('ts_rank(''{0.2, 0.6, 0.8, 1.0}'', i.tsv, $8[%1$s], 1) * $9[%1$s]', n), ' + ')
     from generate_series(1, words) as n),
    case when scope <> '' and lift then
      ' join moothill.search_items h on h.tenant_id = $1 and h.id = i.agent_id' else '' end,
    case when scope <> '' then ' and ' || scope else '' end);
$$;
comment on function moothill.search_text_statement(boolean, text, integer) is
  'The statement of a search by text: $7 finds the rows, $8 and $9 are the lexemes and their weights, $10 the limit.';

create function moothill.search_words(query text)
  returns table (lexeme text, word text, factor float8, asked tsquery)
  language sql stable parallel safe as $$
  with stems as (
    select s.lexeme, p.place from unnest(to_tsvector('pg_catalog.english', query)) s, unnest(s.positions) as p (place)
  ), forms as (
    select s.lexeme, p.place from unnest(to_tsvector('pg_catalog.simple', query)) s, unnest(s.positions) as p (place)
  ), every as (
    select s.lexeme, f.lexeme as word, 1.0 as factor, s.place
    from stems s
    join forms f using (place)
    union all
    -- The exact form counts too, but less; a query of stop words alone is searched as it stands.
    select f.lexeme, f.lexeme, case when exists (select from stems) then 0.25 else 1.0 end, f.place
    from forms f
    where not exists (select from stems s where s.place = f.place and s.lexeme = f.lexeme)
      and (exists (select from stems s where s.place = f.place) or not exists (select from stems))
  )
  select e.lexeme, min(e.word), max(e.factor)::float8,
         ('''' || replace(replace(e.lexeme, '\', '\\'), '''', '''''') || '''')::tsquery
  from every e
  group by e.lexeme
  order by min(e.place), max(e.factor) desc
  limit 24;
$$;
comment on function moothill.search_words(text) is
  'The lexemes of a query: English stems, and exact forms at a quarter of their weight; the first 24.';
grant execute on function moothill.search_words(text), moothill.search_text_statement(boolean, text, integer),
  moothill.search_vector_statement(text, boolean, boolean, text, boolean),
  moothill.search_scope(boolean, boolean, boolean, boolean, boolean, boolean, boolean) to moothill_search;

create function moothill.search_text(tenant uuid, asked tsquery[], factors float8[], lift boolean, kinds text[],
                                     states text[], tags text[], lowest numeric, agent uuid, size integer,
                                     common integer)
  returns table (hits uuid[], items uuid[], scores float8[])
  language plpgsql stable as $$
declare
  mine tsquery := ('''' || mt.tenant_lexeme(tenant) || '''')::tsquery;
  statement text;
  weights float8[] := '{}';
  any_word tsquery;
  rare_word tsquery;
  all_words tsquery;
  finder tsquery;
  held bigint;
  counts bigint[];
begin
  select count(*) into held
  from (select from moothill.search_items i where i.tenant_id = tenant limit 2 * common) as part;
  select array_agg(c.n order by w.place) into counts
  from unnest(asked) with ordinality as w (sought, place)
  cross join lateral (
    select count(*) as n
    from (select from moothill.search_items i where i.tenant_id = tenant and i.tsv @@ (w.sought && mine)
          limit common + 1) as part
  ) as c;
  for place in 1 .. cardinality(asked) loop
    weights := weights || factors[place] * ln(1 + greatest(held, counts[place])::float8 / greatest(counts[place], 1));
    any_word := case when place = 1 then asked[place] else any_word || asked[place] end;
    if counts[place] <= common then
      rare_word := case when rare_word is null then asked[place] else rare_word || asked[place] end;
    end if;
    if factors[place] = 1 then
      all_words := case when all_words is null then asked[place] else all_words && asked[place] end;
    end if;
  end loop;

  statement := moothill.search_text_statement(
    lift, moothill.search_scope(lift, kinds is not null, states is not null, tags is not null, lowest is not null,
                                agent is not null, false), cardinality(asked));
  -- Rare words find everything worth ranking. Where every word is common, what holds all of them
  -- comes first and usually suffices; only if it does not are all rows with any of them ranked.
  finder := coalesce(rare_word, all_words);
  loop
    execute statement into hits, items, scores
      using tenant, kinds, states, tags, lowest, agent, finder && mine, asked, weights, size;
    exit when finder = any_word or coalesce(cardinality(hits), 0) >= size or rare_word is not null;
    finder := any_word;
  end loop;
  return next;
end $$;
comment on function moothill.search_text(uuid, tsquery[], float8[], boolean, text[], text[], text[], numeric, uuid, integer, integer) is
  'The best hits for words: each word counts by how rare it is in this tenant and where in the text it stands.';
grant execute on function moothill.search_text(uuid, tsquery[], float8[], boolean, text[], text[], text[], numeric, uuid, integer, integer) to moothill_search;

create function moothill.search_few(tenant uuid, kinds text[], states text[], tags text[], agent uuid, few integer)
  returns boolean
  language sql stable as $$
  select
    agent is not null and few >= (
      select count(*)
      from (select from moothill.search_items i where i.tenant_id = tenant and i.agent_id = agent limit few + 1) as part)
    or kinds is not null and few >= (
      select count(*)
      from (select from moothill.search_items i where i.tenant_id = tenant and i.kind = any(kinds) limit few + 1) as part)
    or states is not null and few >= (
      select count(*)
      from (select from moothill.search_item_facets f
            where f.tenant_id = tenant and f.facet = 'status' and f.value = any(states) limit few + 1) as part)
    or tags is not null and few >= (
      select min(n)
      from unnest(tags) as t (tag)
      cross join lateral (
        select count(*) as n
        from (select from moothill.search_item_facets f
              where f.tenant_id = tenant and f.facet = 'tag' and f.value = t.tag limit few + 1) as part) as counted);
$$;
comment on function moothill.search_few(uuid, text[], text[], text[], uuid, integer) is
  'Whether one of the filters alone leaves so few items that comparing each of them is the quickest way.';
grant execute on function moothill.search_few(uuid, text[], text[], text[], uuid, integer) to moothill_search;

create function moothill.search_vector(tenant uuid, model text, query public.halfvec, lift boolean, kinds text[],
                                       states text[], tags text[], lowest numeric, agent uuid, size integer, few integer)
  returns table (hits uuid[], items uuid[], near float8[], exact boolean)
  language plpgsql volatile as $$
declare
  here moothill.embedding_placements;
  filtered boolean := states is not null or tags is not null or lowest is not null or agent is not null;
  pool integer := case when lift then 3 * size else size end;
  statement text;
  seen bigint;
begin
  select * into here from moothill.embedding_placements p where p.tenant_id = tenant and p.model = search_vector.model;
  exact := coalesce(here.place <> 'own', true);
  if not exact then
    if filtered or kinds is not null then
      exact := moothill.search_few(tenant, kinds, states, tags, agent, few);
    end if;
    set local hnsw.iterative_scan = 'relaxed_order';
  end if;
  loop
    statement := moothill.search_vector_statement(
      'embedding_' || model, lift, kinds is not null,
      case when filtered then moothill.search_scope(lift, false, states is not null, tags is not null,
                                                    lowest is not null, agent is not null, exact) else '' end,
      exact);
    if not exact then
      execute format('set local hnsw.ef_search = %s', least(1000, greatest(here.effort, pool)));
    end if;
    execute statement into hits, items, near, seen
      using tenant, kinds, states, tags, lowest, agent, query, pool;
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
comment on function moothill.search_vector(uuid, text, public.halfvec, boolean, text[], text[], text[], numeric, uuid, integer, integer) is
  'The nearest hits to a vector: exact in the shared partition and under narrow filters, else by the tenant''s own HNSW.';
grant execute on function moothill.search_vector(uuid, text, public.halfvec, boolean, text[], text[], text[], numeric, uuid, integer, integer) to moothill_search;

create function moothill.search_find(
  tenant uuid, query text, query_vector public.halfvec, like_item uuid, model text, lift boolean, kinds text[],
  states text[], tags text[], lowest numeric, agent text, size integer, depth integer,
  text_weight float8, vector_weight float8, smoothing integer, few integer, common integer)
  returns table (id uuid, kind text, key text, title text, body text, status text, confidence numeric,
                 agent_id uuid, agent_key text, agent_title text, score float8, text_rank bigint, text_score float8,
                 words text[], vector_rank bigint, similarity float8, through_id uuid, through_kind text,
                 through_title text, through_body text, vector text, exact boolean)
  language plpgsql volatile security definer set search_path = pg_catalog, moothill, mt, public, pg_temp as $$
#variable_conflict use_column
declare
  wanted_model text := model;
  owner uuid;
  meant public.halfvec := query_vector;
  asked tsquery[];
  factors float8[];
  said text[];
  word_hits uuid[];
  word_items uuid[];
  word_scores float8[];
  near_hits uuid[];
  near_items uuid[];
  near float8[];
  all_exact boolean;
begin
  perform mt.same_tenant(tenant);
  if agent is not null then
    select i.id into owner from moothill.search_items i
    where i.tenant_id = tenant and i.kind = 'agent' and (i.key = agent or i.id::text = lower(agent))
    order by i.key = agent desc nulls last limit 1;
    if not found then
      return;
    end if;
  end if;
  if like_item is not null then
    execute format('select e.vector from moothill.%I e where e.tenant_id = $1 and e.item_id = $2',
                   'embedding_' || wanted_model) into meant using tenant, like_item;
  end if;
  if query is not null then
    select array_agg(w.asked), array_agg(w.factor), array_agg(w.word) into asked, factors, said
    from moothill.search_words(query) w;
    if asked is not null then
      select * into word_hits, word_items, word_scores
      from moothill.search_text(tenant, asked, factors, lift, kinds, states, tags, lowest, owner, depth, common);
    end if;
  end if;
  if meant is not null then
    select * into near_hits, near_items, near, all_exact
    from moothill.search_vector(tenant, wanted_model, meant, lift, kinds, states, tags, lowest, owner, depth, few);
  end if;

  return query
  with said as (
    select f.hit, f.item, f.score, f.place from unnest(word_hits, word_items, word_scores)
      with ordinality as f (hit, item, score, place)
  ), close as (
    select f.hit, f.item, f.similarity, f.place from unnest(near_hits, near_items, near)
      with ordinality as f (hit, item, similarity, place)
  ), fused as (
    select coalesce(s.hit, c.hit) as hit, s.item as said_item, c.item as close_item, s.score as text_score, c.similarity,
           s.place as text_place, c.place as vector_place,
           coalesce(text_weight / (smoothing + s.place), 0) + coalesce(vector_weight / (smoothing + c.place), 0) as score
    from said s
    full join close c on c.hit = s.hit
    where coalesce(s.hit, c.hit) is distinct from like_item
    order by score desc, hit
    limit size
  )
  select h.id, h.kind, h.key, h.title, left(h.body, 600), h.status, h.confidence,
         h.agent_id, a.key, a.title, f.score, f.text_place, f.text_score,
         array(select distinct w.word from unnest(said, asked) as w (word, sought) where s.tsv @@ w.sought order by 1),
         f.vector_place, f.similarity, t.id, t.kind, t.title, left(t.body, 600),
         case when exists (select from moothill.embedding_queue q where q.tenant_id = tenant
                           and q.model = wanted_model and q.item_id = h.id) then 'pending'
              else 'fresh' end,
         coalesce(all_exact, true)
  from fused f
  join moothill.search_items h on h.tenant_id = tenant and h.id = f.hit
  left join moothill.search_items a on a.tenant_id = tenant and a.id = h.agent_id
  left join moothill.search_items s on s.tenant_id = tenant and s.id = f.said_item
  left join moothill.search_items t on t.tenant_id = tenant and t.id = nullif(coalesce(f.said_item, f.close_item), f.hit)
  order by f.score desc, f.hit;
end $$;
comment on function moothill.search_find(uuid, text, public.halfvec, uuid, text, boolean, text[], text[], text[], numeric,
  text, integer, integer, float8, float8, integer, integer, integer) is
  'Searches by words, by vector, or both fused by reciprocal rank, and says why each hit matched.';
select mt.lend('moothill.search_find(uuid, text, public.halfvec, uuid, text, boolean, text[], text[], text[], numeric, text, integer, integer, float8, float8, integer, integer, integer)'::regprocedure,
               'moothill_search');

create function moothill.search_lost(tenant uuid, kinds text[], states text[], tags text[], lowest numeric, agent text,
                                     query text)
  returns table (items bigint, with_words bigint, of_kinds bigint, in_states bigint, with_tags bigint,
                 confident bigint, of_agent bigint, agent_known boolean)
  language plpgsql stable security definer set search_path = pg_catalog, moothill, mt, public, pg_temp as $$
begin
  perform mt.same_tenant(tenant);
  return query
  with owner as (
    select i.id from moothill.search_items i
    where i.tenant_id = tenant and i.kind = 'agent' and (i.key = agent or i.id::text = lower(agent))
    limit 1
  ), asked as (
    select array_agg(w.asked) as words from moothill.search_words(query) w
  )
  select count(i.id),
         count(i.id) filter (where a.words is not null and exists (select from unnest(a.words) as w (word) where i.tsv @@ w.word)),
         count(i.id) filter (where i.kind = any(kinds)),
         count(i.id) filter (where i.status = any(states)),
         count(i.id) filter (where tags is not null and tags <@ array(select f.value from moothill.search_item_facets f
                                              where f.tenant_id = tenant and f.item_id = i.id and f.facet = 'tag')),
         count(i.id) filter (where i.confidence is null or i.confidence >= lowest),
         count(i.id) filter (where i.agent_id = (select id from owner)),
         exists (select from owner)
  from asked a
  left join lateral (
    select * from moothill.search_items i where i.tenant_id = tenant limit 10000
  ) i on true
  group by a.words;
end $$;
comment on function moothill.search_lost(uuid, text[], text[], text[], numeric, text, text) is
  'Why a search found nothing: how many of the tenant''s first 10,000 items pass each filter by itself.';
select mt.lend('moothill.search_lost(uuid, text[], text[], text[], numeric, text, text)'::regprocedure, 'moothill_search');

create function moothill.search_models(tenant uuid)
  returns table (model text, dimensions integer, created_at timestamptz, state text, place text, copied bigint,
                 effort integer, vectors bigint, pending bigint, failed bigint, oldest timestamptz,
                 index_bytes bigint, table_bytes bigint)
  language plpgsql volatile security definer set search_path = pg_catalog, moothill, mt, public, pg_temp as $$
#variable_conflict use_column
declare
  known record;
begin
  perform mt.same_tenant(tenant);
  for known in
    select m.slug, m.dimensions, m.created_at, p.state, p.place, p.partition, p.copied, p.effort
    from moothill.embedding_models m
    left join moothill.embedding_placements p on p.tenant_id = tenant and p.model = m.slug
    order by m.number
  loop
    model := known.slug;
    dimensions := known.dimensions;
    created_at := known.created_at;
    state := known.state;
    place := coalesce(known.place, 'shared');
    copied := coalesce(known.copied, 0);
    effort := coalesce(known.effort, 100);
    execute format('select count(*) from moothill.%I where tenant_id = $1', 'embedding_' || known.slug)
      into vectors using tenant;
    select count(*), count(*) filter (where q.error is not null), min(q.queued_at) into pending, failed, oldest
    from moothill.embedding_queue q where q.tenant_id = tenant and q.model = known.slug;
    index_bytes := case when known.place = 'own'
      then pg_relation_size(to_regclass(format('moothill.%I', known.partition || '_hnsw'))) end;
    table_bytes := case when known.place = 'own'
      then pg_relation_size(to_regclass(format('moothill.%I', known.partition))) end;
    return next;
  end loop;
end $$;
comment on function moothill.search_models(uuid) is
  'The embedding models, and how each stands in this tenant: vectors, queue, place, size of its own partition.';
select mt.lend('moothill.search_models(uuid)'::regprocedure, 'moothill_search');

select mt.make_embedding_model('wordllama_256', 256);
