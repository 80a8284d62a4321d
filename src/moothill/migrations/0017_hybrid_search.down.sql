drop function moothill.search_facets(uuid, text, boolean, text[], text[], text[], numeric, text, jsonb, integer);
drop function moothill.search_lost(uuid, text[], text[], text[], numeric, text, text);
drop function moothill.search_find(uuid, text, public.halfvec, uuid, text, boolean, text[], text[], text[], numeric, text, integer, integer, float8, float8, integer, integer, integer, jsonb);
revoke select (tenant_id, id, rating, trust) on moothill.agents from moothill_search;
drop policy search_rows on moothill.agents;
drop function moothill.search_reach(uuid, uuid[], float8[], boolean, text[], text[], text[], numeric, uuid, tsquery, tsquery, integer, integer, text[], numeric);
drop function moothill.search_vector(uuid, text, public.halfvec, boolean, text[], text[], text[], numeric, uuid, tsquery, tsquery, integer, integer);
drop function moothill.search_share(uuid, boolean, text[], text[], text[], numeric, uuid, tsquery, tsquery);
drop function moothill.search_few(uuid, text[], text[], text[], numeric, uuid, tsquery, integer);
drop function moothill.search_text(uuid, tsquery[], float8[], boolean, text[], text[], text[], numeric, uuid, tsquery, tsquery, integer, integer);
drop function moothill.search_finders(tsquery[], bigint[], integer, integer);
drop function moothill.search_guess(uuid, text[], integer);
drop function moothill.search_beginning(uuid, text, integer);
drop function moothill.search_phrase(text);
drop function moothill.search_text_statement(boolean, text, integer);
drop function moothill.search_vector_statement(text, boolean, boolean, text, boolean);
drop function moothill.search_scope(boolean, boolean, boolean, boolean, boolean, boolean, boolean, boolean, boolean);

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

grant execute on function moothill.search_text_statement(boolean, text, integer),
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

drop function moothill.search_sweep(uuid, text, integer);
drop function mt.unheld_words(uuid, text[]);
drop function moothill.search_held(uuid, tsquery[], integer);
drop function moothill.search_note(uuid, uuid, text);
drop function mt.lexeme_query(text);
drop function mt.hold_words(uuid, boolean);
drop function mt.word_slips(uuid, text);
drop table moothill.search_vocabulary;
