-- phase: pre
-- Search, grown: phrases, beginnings of words, words that must not stand there, slips of the pen.
--
-- The vocabulary holds every word of a tenant's texts once or a few times. Writers add to it and never wait for
-- each other over it: two that meet a new word at once leave two rows. Nobody but the sweeper below takes a word
-- out, alone under a lock that writers share until their commit, so every word that an item holds stands here.
-- A word that no item holds any more may stand here until it is swept; it is asked of the items before it is used.

create table moothill.search_vocabulary (
  tenant_id uuid not null,
  word text collate "C" not null constraint search_vocabulary_word_check check (length(word) between 2 and 40),
  item_id uuid not null,
  slips integer[] not null,
  constraint search_vocabulary_pkey primary key (tenant_id, word, item_id)
);
select mt.distribute('moothill.search_vocabulary');
-- Its keys are mixed with the tenant's id, so a look-up walks no other tenant's words.
create index search_vocabulary_slips_idx on moothill.search_vocabulary using gin (slips) with (fastupdate = off);
select mt.protect('moothill.search_vocabulary');
create policy search_rows on moothill.search_vocabulary for select to moothill_search using (true);
grant select, insert on moothill.search_vocabulary to moothill_app;
grant select on moothill.search_vocabulary to moothill_search;
comment on table moothill.search_vocabulary is 'The words of a tenant''s texts: for beginnings of words, and for words that were misspelt.';
comment on column moothill.search_vocabulary.tenant_id is 'Whose it is.';
comment on column moothill.search_vocabulary.word is 'A word, in small letters.';
comment on column moothill.search_vocabulary.item_id is 'The item with which it came first; it may be gone.';
comment on column moothill.search_vocabulary.slips is 'What is left of the word without one or two of its first letters, as numbers; two words that share one are alike.';

create function mt.word_slips(tenant uuid, word text) returns integer[]
  language plpgsql immutable parallel safe as $$
declare
  -- The deletions of SymSpell: two spellings that are one slip apart (two, in a long word) have one in common.
  part text := left(word, 8);
  seed bigint := hashtextextended(tenant::text, 0);
  slips integer[] := array[(hashtextextended(part, seed) & 2147483647)::integer];
  rest text;
begin
  if length(word) < 4 then
    return '{}';
  end if;
  for n in 1 .. length(part) loop
    rest := left(part, n - 1) || substr(part, n + 1);
    slips := slips || (hashtextextended(rest, seed) & 2147483647)::integer;
    if length(word) > 8 then
      for m in n .. 7 loop
        slips := slips || (hashtextextended(left(rest, m - 1) || substr(rest, m + 1), seed) & 2147483647)::integer;
      end loop;
    end if;
  end loop;
  return slips;
end $$;
comment on function mt.word_slips(uuid, text) is
  'Numbers of what is left of a word''s first eight letters without one of them, or two in a word of more than eight; none below four letters.';

create function mt.hold_words(tenant uuid, alone boolean) returns void
  language plpgsql as $$
begin
  if alone then
    perform pg_advisory_xact_lock(1702260335, hashtext(tenant::text));
  else
    perform pg_advisory_xact_lock_shared(1702260335, hashtext(tenant::text));
  end if;
end $$;
comment on function mt.hold_words(uuid, boolean) is
  'Writers of a tenant''s words share this lock until their commit; who takes words out takes it alone.';
grant execute on function mt.word_slips(uuid, text) to moothill_app, moothill_search, moothill_jobs;
grant execute on function mt.hold_words(uuid, boolean) to moothill_app, moothill_jobs;

create function moothill.search_note(tenant uuid, item uuid, said text) returns void
  language plpgsql volatile set enable_seqscan = off as $$
begin
  -- The statement below sees at least what was there when the lock was granted.
  perform mt.hold_words(tenant, false);
  insert into moothill.search_vocabulary (tenant_id, word, item_id, slips)
  select tn.id, w.lexeme, item, mt.word_slips(tn.id, w.lexeme)
  from moothill.tenants tn
  cross join (
    select t.lexeme from unnest(to_tsvector('pg_catalog.simple', said)) t
    where length(t.lexeme) between 2 and 40
    order by t.positions[1], t.lexeme
    limit 500
  ) w
  where tn.id = tenant
    -- One look into the index for each word, whatever the planner believes of the table's size: a join would read it all.
    and (select v.word from moothill.search_vocabulary v where v.tenant_id = tenant and v.word = w.lexeme limit 1) is null
  on conflict (tenant_id, word, item_id) do nothing;
end $$;
comment on function moothill.search_note(uuid, uuid, text) is
  'Adds the words of a text that the tenant''s vocabulary lacks, the first 500 different ones, with the caller''s own rights.';
grant execute on function moothill.search_note(uuid, uuid, text) to moothill_app;

create function mt.lexeme_query(lexeme text) returns tsquery
  language sql immutable parallel safe
  return ('''' || replace(replace(lexeme, '\', '\\'), '''', '''''') || '''')::tsquery;
comment on function mt.lexeme_query(text) is 'A lexeme as a question, whatever characters it holds.';
grant execute on function mt.lexeme_query(text) to moothill_app, moothill_search, moothill_jobs;

create function moothill.search_held(tenant uuid, wanted tsquery[], most integer) returns bigint[]
  language sql stable set enable_seqscan = off set enable_indexscan = off as $$
  -- The fence leaves the index of lexemes as the one way: for a word that nothing holds, a plan that counts on finding
  -- a row soon would read them all.
  select array_agg(held.n order by w.place)
  from unnest(wanted) with ordinality as w (sought, place)
  cross join lateral (
    select count(*) as n
    from (
      select from (
        select i.tenant_id from moothill.search_items i
        where i.tsv @@ (w.sought && ('''' || mt.tenant_lexeme(tenant) || '''')::tsquery) offset 0) as found
      where found.tenant_id = tenant
      limit most) as part
  ) as held;
$$;
comment on function moothill.search_held(uuid, tsquery[], integer) is
  'For each question, how many items of the tenant answer it, counted up to a bound.';
grant execute on function moothill.search_held(uuid, tsquery[], integer) to moothill_search, moothill_jobs;

create function mt.unheld_words(tenant uuid, words text[]) returns text[]
  language plpgsql volatile as $$
begin
  return (
    select array_agg(w.word)
    from unnest(words, moothill.search_held(tenant, array(select mt.lexeme_query(u) from unnest(words) as u), 1))
      as w (word, n)
    where w.n = 0);
end $$;
comment on function mt.unheld_words(uuid, text[]) is 'Those of the words that no item of the tenant holds, as of this moment.';
grant execute on function mt.unheld_words(uuid, text[]) to moothill_jobs;

create function moothill.search_sweep(tenant uuid, after text, size integer) returns table (last text, gone bigint)
  language plpgsql volatile security definer set search_path = pg_catalog, moothill, mt, public, pg_temp
  set lock_timeout = '1900ms' as $$
#variable_conflict use_column
declare
  listed text[];
  unheld text[];
begin
  perform mt.same_tenant(tenant);
  select array_agg(p.word order by p.word) into listed
  from (select distinct v.word from moothill.search_vocabulary v
        where v.tenant_id = tenant and v.word > after collate "C"
        order by v.word
        limit size) p;
  last := listed[cardinality(listed)];
  gone := 0;
  unheld := mt.unheld_words(tenant, listed);
  if unheld is not null then
    -- From here on nobody writes words of this tenant; what was written is seen by the statements below.
    perform mt.hold_words(tenant, true);
    unheld := mt.unheld_words(tenant, unheld);
    delete from moothill.search_vocabulary v where v.tenant_id = tenant and v.word = any(unheld);
    get diagnostics gone = row_count;
  end if;
  return next;
end $$;
comment on function moothill.search_sweep(uuid, text, integer) is
  'Takes words that no item holds out of the vocabulary, among the next so many after a word; the last of them, and how many went.';
select mt.lend('moothill.search_sweep(uuid, text, integer)'::regprocedure, 'moothill_jobs');

-- What the texts hold already: read and written across tenants, as the one role that may.
grant insert on moothill.search_vocabulary to moothill_jobs;
set local role moothill_jobs;
insert into moothill.search_vocabulary (tenant_id, word, item_id, slips)
select w.tenant_id, w.word, w.item_id, mt.word_slips(w.tenant_id, w.word)
from (
  select i.tenant_id, t.lexeme as word, (array_agg(i.id))[1] as item_id
  from moothill.search_items i
  cross join lateral unnest(i.tsv) t
  where t.weights && '{A,D}'::text[] and length(t.lexeme) between 2 and 40
  group by i.tenant_id, t.lexeme) w;
set local role moothill_owner;
revoke insert on moothill.search_vocabulary from moothill_jobs;

-- ------------------------------------------------------------------------------------------------- searching
--
-- The statements are put together as before, from two more conditions that all of them share: $7 is what must
-- stand in the item that matches (together with its tenant, so that the index of lexemes finds it), $8 what must
-- not stand in it, nor in the hit that it counts for.

-- squawk-ignore ban-drop-function
drop function moothill.search_find(uuid, text, public.halfvec, uuid, text, boolean, text[], text[], text[], numeric, text, integer, integer, float8, float8, integer, integer, integer);
-- squawk-ignore ban-drop-function
drop function moothill.search_vector(uuid, text, public.halfvec, boolean, text[], text[], text[], numeric, uuid, integer, integer);
-- squawk-ignore ban-drop-function
drop function moothill.search_few(uuid, text[], text[], text[], uuid, integer);
-- squawk-ignore ban-drop-function
drop function moothill.search_text(uuid, tsquery[], float8[], boolean, text[], text[], text[], numeric, uuid, integer, integer);
-- squawk-ignore ban-drop-function
drop function moothill.search_text_statement(boolean, text, integer);
-- squawk-ignore ban-drop-function
drop function moothill.search_vector_statement(text, boolean, boolean, text, boolean);
-- squawk-ignore ban-drop-function
drop function moothill.search_scope(boolean, boolean, boolean, boolean, boolean, boolean, boolean);

create function moothill.search_scope(lift boolean, kinds boolean, states boolean, tags boolean, lowest boolean,
                                      agent boolean, must boolean, without boolean, driven boolean) returns text
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
    case when agent then 'i.agent_id = $6' end,
    case when must then 'i.tsv @@ $7' end,
    case when without then 'not (i.tsv @@ $8)' end,
    case when without and lift then 'not (h.tsv @@ $8)' end)
  from (select case when lift then 'h' else 'i' end) as alias (hit);
$$;
comment on function moothill.search_scope(boolean, boolean, boolean, boolean, boolean, boolean, boolean, boolean, boolean) is
  'The conditions of a filter; driven: written so that the rows that pass it are looked up first.';

create function moothill.search_vector_statement(relation text, lift boolean, kinds boolean, scope text, exact boolean)
  returns text
  language sql immutable parallel safe as $$
  select format(
    'with close as materialized (select e.item_id, e.vector operator(public.<#>) $9 as distance from %1$s where %2$s '
    'order by '
    -- An expression is no index's order: every row is compared.
    || case when exact then '(e.vector operator(public.<#>) $9) + 0' else 'e.vector operator(public.<#>) $9' end
    || ' limit $10) ' ||
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
  'The statement of a search by vector ($9), for the nearest $10 items: in order of the HNSW index, or exact.';

create function moothill.search_text_statement(lift boolean, scope text, words integer) returns text
  language sql immutable parallel safe as $$
  -- The fence leaves the index of lexemes as the one way: what the planner believes of a word comes from the texts of
  -- all tenants, and would let a search take another way when others use the word much.
  select format(
    'with found as materialized (select i.id, %1$s as hit, %2$s as score '
    'from (select t.* from moothill.search_items t where t.tsv @@ $9 offset 0) i%3$s '
    'where i.tenant_id = $1%4$s) '
    'select array_agg(f.hit), array_agg(f.item), array_agg(f.best) from ('
    'select hit, (array_agg(id order by score desc, id))[1] as item, max(score) as best from found '
    'where hit is not null group by hit order by best desc, hit limit $12) f',
    case when lift then 'i.agent_id' else 'i.id' end,
    (select string_agg(format('ts_rank(''{0.2, 0.6, 0.8, 1.0}'', i.tsv, $10[%1$s], 1) * $11[%1$s]', n), ' + ')
     from generate_series(1, words) as n),
    case when scope <> '' and lift then
      ' join moothill.search_items h on h.tenant_id = $1 and h.id = i.agent_id' else '' end,
    case when scope <> '' then ' and ' || scope else '' end);
$$;
comment on function moothill.search_text_statement(boolean, text, integer) is
  'The statement of a search by text: $9 finds the rows, $10 and $11 are the lexemes and their weights, $12 the limit.';

create function moothill.search_phrase(said text) returns tsquery
  language sql stable parallel safe as $$
  with stems as (
    select min(s.lexeme) as lexeme, p.place
    from unnest(to_tsvector('pg_catalog.english', said)) s, unnest(s.positions) as p (place)
    group by p.place
  ), forms as (
    select min(s.lexeme) as lexeme, p.place
    from unnest(to_tsvector('pg_catalog.simple', said)) s, unnest(s.positions) as p (place)
    group by p.place
  ), chosen as (
    select lexeme, place, '{A,B,C}'::text[] as parts from stems
    union all
    -- Stop words alone are looked for as they stand.
    select lexeme, place, '{A,D}' from forms where not exists (select from stems)
  ), steps as (
    select part, place, format('%s:%s', mt.lexeme_query(lexeme)::text, part) as step,
           place - lag(place) over (partition by part order by place) as gap
    from chosen, unnest(parts) as part
  ), chains as (
    select string_agg(case when gap is null then step else format(' <%s> %s', gap, step) end, '' order by place) as chain
    from steps
    group by part
  )
  select string_agg('(' || chain || ')', ' | ')::tsquery from chains;
$$;
comment on function moothill.search_phrase(text) is
  'The words of a phrase one after the other, within one part of a text: its name, its keywords or its body. Null without a word.';

create function moothill.search_beginning(tenant uuid, start text, most integer) returns tsquery
  language sql stable parallel safe as $$
  select string_agg(distinct mt.lexeme_query(l.lexeme)::text, ' | ')::tsquery
  from (
    select distinct v.word from moothill.search_vocabulary v
    where v.tenant_id = tenant and v.word >= start collate "C"
      and v.word < (start || U&'\+10FFFF') collate "C"
    order by v.word
    limit most
  ) w
  cross join lateral (
    select w.word as lexeme
    union all
    select unnest(ts_lexize('pg_catalog.english_stem', w.word))
  ) l;
$$;
comment on function moothill.search_beginning(uuid, text, integer) is
  'The words of a tenant that begin so, the first so many in the order of the alphabet, as one question; null when none does.';

create function moothill.search_guess(tenant uuid, unknown text[], most integer) returns jsonb
  language plpgsql stable set enable_seqscan = off as $$
declare
  found text[] := '{}';
  near text[] := '{}';
  likeness float4[] := '{}';
  counts bigint[];
  marks integer[];
  one record;
  asked text;
begin
  foreach asked in array coalesce(unknown[1:8], '{}') loop
    continue when length(asked) not between 4 and 40;
    -- The fence leaves the index of slips as the one way: the other would walk through all words of the tenant.
    marks := mt.word_slips(tenant, asked);
    for one in
      select distinct v.word
      from (select w.tenant_id, w.word from moothill.search_vocabulary w where w.slips && marks offset 0) v
      where v.tenant_id = tenant
      order by v.word limit most
    loop
      found := found || asked;
      near := near || one.word;
      likeness := likeness || 0::float4;
    end loop;
    -- With pg_trgm, words that differ more, or near their ends, are found too.
    if to_regprocedure('public.similarity(text, text)') is not null then
      for one in execute
        'select v.word, max(public.similarity(v.word, $2)) as near from (select w.word from moothill.search_vocabulary w '
        'where w.tenant_id = $1 limit 50000) v where public.similarity(v.word, $2) >= 0.4 '
        'group by v.word order by near desc, v.word limit $3' using tenant, asked, most
      loop
        found := found || asked;
        near := near || one.word;
        likeness := likeness || one.near;
      end loop;
    end if;
  end loop;
  if found = '{}' then
    return null;
  end if;
  counts := moothill.search_held(tenant, array(select mt.lexeme_query(u) from unnest(near) as u), 100);
  return (
    select jsonb_object_agg(g.asked, g.words)
    from (
      select n.asked, jsonb_agg(jsonb_build_array(n.word, n.likeness, n.items) order by n.word) as words
      from (select u.asked, u.word, max(u.likeness) as likeness, max(u.items) as items
            from unnest(found, near, likeness, counts) as u (asked, word, likeness, items)
            group by u.asked, u.word) n
      where n.items > 0
      group by n.asked) g);
end $$;
comment on function moothill.search_guess(uuid, text[], integer) is
  'For words that no item holds: words of the tenant that are spelt alike, how alike by trigrams (0 without pg_trgm), and how many items hold them.';

grant execute on function moothill.search_text_statement(boolean, text, integer),
  moothill.search_vector_statement(text, boolean, boolean, text, boolean),
  moothill.search_scope(boolean, boolean, boolean, boolean, boolean, boolean, boolean, boolean, boolean),
  moothill.search_phrase(text), moothill.search_beginning(uuid, text, integer),
  moothill.search_guess(uuid, text[], integer) to moothill_search;

create function moothill.search_finders(asked tsquery[], counts bigint[], enough integer, common integer)
  returns tsquery[]
  language plpgsql immutable parallel safe as $$
declare
  finders tsquery[] := '{}';
  rare tsquery;
  few tsquery;
  pairs tsquery;
  every tsquery;
  either tsquery;
  scarce tsquery[] := '{}';
  frequent tsquery[] := '{}';
  total bigint := 0;
  one record;
begin
  for one in select w.sought, w.n from unnest(asked, counts) as w (sought, n) where w.n > 0 order by w.n, w.sought::text loop
    every := case when every is null then one.sought else every && one.sought end;
    either := case when either is null then one.sought else either || one.sought end;
    if one.n <= common then
      few := case when few is null then one.sought else few || one.sought end;
    end if;
    total := total + one.n;
    if total <= enough then
      rare := either;
    elsif one.n <= common then
      scarce := scarce || one.sought;
    else
      frequent := frequent || one.sought;
    end if;
  end loop;
  -- The rarest words find what holds them; two others together weigh as much as a rare one. Where that finds too
  -- little, any word that is not common does; where every word is common, all of them together, then two, then any.
  select string_agg(format('(%s) & (%s)', a.sought, b.sought), ' | ')::tsquery into pairs
  from unnest((scarce || frequent)[:8]) with ordinality as a (sought, place)
  join unnest((scarce || frequent)[:8]) with ordinality as b (sought, place) on b.place > a.place
  where few is null or a.place <= cardinality(scarce);
  if few is null then
    return array[every, coalesce(pairs, either), either];
  end if;
  return array[case when pairs is null then coalesce(rare, few) when rare is null then pairs else rare || pairs end,
               few];
end $$;
comment on function moothill.search_finders(tsquery[], bigint[], integer, integer) is
  'Questions that find what is worth ranking, the narrowest first, from words and in how many items each stands.';

create function moothill.search_text(tenant uuid, asked tsquery[], factors float8[], lift boolean, kinds text[],
                                     states text[], tags text[], lowest numeric, agent uuid, must tsquery,
                                     without tsquery, size integer, common integer)
  returns table (hits uuid[], items uuid[], scores float8[], counts bigint[])
  language plpgsql stable set enable_seqscan = off as $$
declare
  mine tsquery := ('''' || mt.tenant_lexeme(tenant) || '''')::tsquery;
  statement text;
  weights float8[] := '{}';
  ranked tsquery[] := '{}';
  finders tsquery[];
  held bigint;
  stems tsquery[] := array(select w.sought from unnest(asked, factors) with ordinality as w (sought, factor, place)
                           where w.factor = 1 order by w.place);
  forms tsquery[] := array(select w.sought from unnest(asked, factors) with ordinality as w (sought, factor, place)
                           where w.factor < 1 order by w.place);
  known bigint[];
  standing bigint[];
  stem integer := 0;
  form integer := 0;
begin
  select count(*) into held
  from (select from moothill.search_items i where i.tenant_id = tenant limit 2 * common) as part;
  known := moothill.search_held(tenant, stems, common + 1);
  standing := moothill.search_held(tenant, forms, 1);
  -- An exact form is taken to be as frequent as the stem before it, if it stands anywhere.
  for place in 1 .. cardinality(asked) loop
    if factors[place] = 1 then
      stem := stem + 1;
      counts[place] := known[stem];
    else
      form := form + 1;
      counts[place] := case when standing[form] = 0 then 0 else greatest(known[stem], 1) end;
    end if;
    if counts[place] > 0 then
      ranked := ranked || asked[place];
      weights := weights || factors[place] * ln(1 + greatest(held, counts[place])::float8 / counts[place]);
    end if;
  end loop;
  if ranked = '{}' then
    return next;
    return;
  end if;
  statement := moothill.search_text_statement(
    lift, moothill.search_scope(lift, kinds is not null, states is not null, tags is not null, lowest is not null,
                                agent is not null, false, without is not null, false), cardinality(ranked));
  if must is not null then
    mine := mine && must;
  end if;
  finders := moothill.search_finders(stems, known, greatest(8 * size, 200), common);
  for step in 1 .. cardinality(finders) loop
    continue when finders[step] = finders[step - 1];
    execute statement into hits, items, scores
      using tenant, kinds, states, tags, lowest, agent, must, without, finders[step] && mine, ranked, weights, size;
    exit when coalesce(cardinality(hits), 0) >= size;
  end loop;
  return next;
end $$;
comment on function moothill.search_text(uuid, tsquery[], float8[], boolean, text[], text[], text[], numeric, uuid, tsquery, tsquery, integer, integer) is
  'The best hits for words: each word counts by how rare it is in this tenant and where in the text it stands; and in how many items each was found.';
grant execute on function moothill.search_text(uuid, tsquery[], float8[], boolean, text[], text[], text[], numeric, uuid, tsquery, tsquery, integer, integer) to moothill_search;
grant execute on function moothill.search_finders(tsquery[], bigint[], integer, integer) to moothill_search;

create function moothill.search_few(tenant uuid, kinds text[], states text[], tags text[], lowest numeric, agent uuid,
                                    must tsquery, few integer)
  returns boolean
  language sql stable as $$
  select
    lowest is not null and few >= (
      select count(*)
      from ((select from moothill.search_items i where i.tenant_id = tenant and i.confidence is null limit few + 1)
            union all
            (select from moothill.search_items i where i.tenant_id = tenant and i.confidence >= lowest limit few + 1)) as part)
    or agent is not null and few >= (
      select count(*)
      from (select from moothill.search_items i where i.tenant_id = tenant and i.agent_id = agent limit few + 1) as part)
    or must is not null and few >= (
      select count(*)
      from (select from moothill.search_items i where i.tenant_id = tenant and i.tsv @@ must limit few + 1) as part)
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
comment on function moothill.search_few(uuid, text[], text[], text[], numeric, uuid, tsquery, integer) is
  'Whether one of the filters alone leaves so few items that comparing each of them is the quickest way.';
grant execute on function moothill.search_few(uuid, text[], text[], text[], numeric, uuid, tsquery, integer) to moothill_search;

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

create function moothill.search_vector(
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
      driven := moothill.search_few(tenant, kinds, states, tags, lowest, agent, must, few);
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
grant execute on function moothill.search_vector(uuid, text, public.halfvec, boolean, text[], text[], text[], numeric, uuid, tsquery, tsquery, integer, integer) to moothill_search;

create function moothill.search_reach(
  tenant uuid, seeds uuid[], worth float8[], lift boolean, kinds text[], states text[], tags text[], lowest numeric,
  agent uuid, must tsquery, without tsquery, size integer, hops integer, types text[], surest numeric)
  returns table (hits uuid[], reaches jsonb[], walked jsonb)
  language plpgsql stable as $$
declare
  with_agents boolean := lift or kinds is null or 'agent' = any(kinds);
  with_others boolean := not lift and kinds is not null and kinds <> '{agent}';
begin
  with r as materialized (
    select * from moothill.graph_expand(tenant, seeds, worth, hops, types, surest, 30, 300)
  )
  select array_agg(f.hit), array_agg(f.reach),
         (select jsonb_build_object('agents', count(*), 'relationships', max(e.seen)) from r e)
    into hits, reaches, walked
  from (
    select o.hit,
           jsonb_build_object('hop', r.hop, 'parent', r.parent_id, 'seed', r.seed_id, 'relationship', r.relationship_id,
                              'type', r.type, 'confidence', round(r.confidence::numeric, 4),
                              'score', round(r.score::numeric, 6)) as reach
    from r
    cross join lateral (
      select i.id as hit, 0 as place
      from moothill.search_items i
      where with_agents and i.tenant_id = tenant and i.id = r.agent_id
        and (states is null or i.status = any(states))
        and (lowest is null or i.confidence is null or i.confidence >= lowest)
        and (tags is null or tags <@ array(select f.value from moothill.search_item_facets f where f.tenant_id = tenant
                                           and f.item_id = i.id and f.facet = 'tag'))
        and (must is null or i.tsv @@ must) and (without is null or not i.tsv @@ without)
      union all
      (select i.id, row_number() over (order by i.confidence desc nulls last, i.id)
       from moothill.search_items i
       where with_others and i.tenant_id = tenant and i.agent_id = r.agent_id and i.kind = any(kinds) and i.kind <> 'agent'
         and (states is null or i.status = any(states))
         and (lowest is null or i.confidence is null or i.confidence >= lowest)
         and (tags is null or tags <@ array(select f.value from moothill.search_item_facets f where f.tenant_id = tenant
                                            and f.item_id = i.id and f.facet = 'tag'))
         and (must is null or i.tsv @@ must) and (without is null or not i.tsv @@ without)
       order by i.confidence desc nulls last, i.id
       limit 3)
    ) o
    where r.hop > 0 and (agent is null or r.agent_id = agent)
    order by r.score desc, r.agent_id, o.place, o.hit
    limit size
  ) f;
  return next;
end $$;
comment on function moothill.search_reach(uuid, uuid[], float8[], boolean, text[], text[], text[], numeric, uuid, tsquery, tsquery, integer, integer, text[], numeric) is
  'What is reached from the agents of the best hits over relationships: the agents, and of other kinds the three surest items of each, if they pass the filters; and how many agents and relationships were looked at for it.';
grant execute on function moothill.search_reach(uuid, uuid[], float8[], boolean, text[], text[], text[], numeric, uuid, tsquery, tsquery, integer, integer, text[], numeric) to moothill_search;
-- What boosts look at.
create policy search_rows on moothill.agents for select to moothill_search using (true);
grant select (tenant_id, id, rating, trust) on moothill.agents to moothill_search;

create function moothill.search_find(
  tenant uuid, query text, query_vector public.halfvec, like_item uuid, model text, lift boolean, kinds text[],
  states text[], tags text[], lowest numeric, agent text, size integer, depth integer,
  text_weight float8, vector_weight float8, smoothing integer, few integer, common integer, more jsonb)
  returns table (id uuid, kind text, key text, title text, body text, status text, confidence numeric,
                 agent_id uuid, agent_key text, agent_title text, score float8, text_rank bigint, text_score float8,
                 words text[], vector_rank bigint, similarity float8, through_id uuid, through_kind text,
                 through_title text, through_body text, vector text, exact boolean, guesses jsonb,
                 graph_rank bigint, reach jsonb, boost jsonb, measured jsonb)
  language plpgsql volatile security definer set search_path = pg_catalog, moothill, mt, public, pg_temp as $$
#variable_conflict use_column
declare
  wanted_model text := model;
  owner uuid;
  meant public.halfvec := query_vector;
  asked tsquery[];
  factors float8[];
  said text[];
  one text;
  piece tsquery;
  must tsquery;
  without tsquery;
  counts bigint[];
  alike jsonb;
  word_hits uuid[];
  word_items uuid[];
  word_scores float8[];
  near_hits uuid[];
  near_items uuid[];
  near float8[];
  all_exact boolean;
  seeds uuid[];
  worth float8[];
  reached_hits uuid[];
  reached jsonb[];
  walked jsonb;
  began timestamptz;
  measured jsonb := '{}';
  hits uuid[];
  scores float8[];
  text_places bigint[];
  vector_places bigint[];
  graph_places bigint[];
  reaches jsonb[];
  boosts jsonb[];
  waiting boolean;
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
  end if;
  if more ? 'phrases' then
    for one in select jsonb_array_elements_text(more -> 'phrases') loop
      piece := moothill.search_phrase(one);
      must := case when must is null then piece when piece is null then must else must && piece end;
    end loop;
    for one in select jsonb_array_elements_text(more -> 'without') loop
      piece := moothill.search_phrase(one);
      without := case when without is null then piece when piece is null then without else without || piece end;
    end loop;
    for one in select jsonb_array_elements_text(more -> 'beginnings') loop
      piece := moothill.search_beginning(tenant, one, 50);
      if piece is not null then
        asked := asked || piece;
        factors := factors || 1::float8;
        said := said || (one || '*');
      end if;
    end loop;
  end if;
  if asked is not null then
    began := clock_timestamp();
    select * into word_hits, word_items, word_scores, counts
    from moothill.search_text(tenant, asked, factors, lift, kinds, states, tags, lowest, owner, must, without, depth, common);
    measured := jsonb_build_object('text_ms', 1000 * extract(epoch from clock_timestamp() - began));
    if 0 = any(counts) then
      -- A word of which no form is found may be a slip; its neighbours are told, and the caller asks again.
      alike := moothill.search_guess(tenant, (
        select array_agg(u.word) from (
          select w.word from unnest(said, counts) as w (word, n) group by w.word having max(w.n) = 0) u), 40);
    end if;
  end if;
  if meant is not null then
    began := clock_timestamp();
    select * into near_hits, near_items, near, all_exact
    from moothill.search_vector(tenant, wanted_model, meant, lift, kinds, states, tags, lowest, owner, must, without, depth, few);
    measured := measured || jsonb_build_object('vector_ms', 1000 * extract(epoch from clock_timestamp() - began));
  end if;

  if more ? 'hops' then
    -- Seeds are the agents of the best third of the hits, of five at most; the best one has the weight 1.
    select array_agg(s.agent_id), array_agg(s.worth) into seeds, worth
    from (
      select i.agent_id, max(f.score) / max(max(f.score)) over () as worth
      from (
        select coalesce(s.hit, c.hit) as hit,
               coalesce(text_weight / (smoothing + s.place), 0) + coalesce(vector_weight / (smoothing + c.place), 0) as score
        from unnest(word_hits) with ordinality as s (hit, place)
        full join unnest(near_hits) with ordinality as c (hit, place) on c.hit = s.hit
        order by score desc, hit
        limit greatest(1, least(size / 3, 5))
      ) f
      join moothill.search_items i on i.tenant_id = tenant and i.id = f.hit
      where i.agent_id is not null and f.score > 0
      group by i.agent_id
    ) s;
    if seeds is not null then
      began := clock_timestamp();
      select * into reached_hits, reached, walked
      from moothill.search_reach(
        tenant, seeds, worth, lift, kinds, states, tags, lowest, owner, must, without, depth, (more ->> 'hops')::integer,
        case when more ? 'types' then array(select jsonb_array_elements_text(more -> 'types')) end,
        (more ->> 'surest')::numeric);
      measured := measured || walked || jsonb_build_object('graph_ms', 1000 * extract(epoch from clock_timestamp() - began));
    end if;
  end if;

  if more ? 'hops' or more ? 'boosts' then
    select array_agg(f.hit), array_agg(f.boosted), array_agg(f.said_item), array_agg(f.text_score), array_agg(f.text_place),
           array_agg(f.close_item), array_agg(f.similarity), array_agg(f.vector_place), array_agg(f.graph_place),
           array_agg(f.reach), array_agg(f.boost)
      into hits, scores, word_items, word_scores, text_places, near_items, near, vector_places, graph_places, reaches, boosts
    from (
      select g.*, g.score * b.recency * b.standing as boosted,
             case when more ? 'boosts' then jsonb_build_object(
               'recency', round(b.recency::numeric, 4), 'standing', round(b.standing::numeric, 4)) end as boost
      from (
        select hit, (array_agg(item) filter (where source = 1))[1] as said_item,
               (array_agg(item) filter (where source = 2))[1] as close_item,
               max(number) filter (where source = 1) as text_score, max(number) filter (where source = 2) as similarity,
               max(place) filter (where source = 1) as text_place, max(place) filter (where source = 2) as vector_place,
               max(place) filter (where source = 3) as graph_place, (array_agg(reach) filter (where source = 3))[1] as reach,
               sum(weight / (smoothing + place)) as score
        from (
          select 1 as source, s.hit, s.item, s.number, s.place, null::jsonb as reach, text_weight as weight
          from unnest(word_hits, word_items, word_scores) with ordinality as s (hit, item, number, place)
          union all
          select 2, c.hit, c.item, c.number, c.place, null, vector_weight
          from unnest(near_hits, near_items, near) with ordinality as c (hit, item, number, place)
          union all
          select 3, r.hit, null, null, r.place, r.reach, (more ->> 'graph_weight')::float8
          from unnest(reached_hits, reached) with ordinality as r (hit, reach, place)
        ) every
        where hit is distinct from like_item
        group by hit
      ) g
      join moothill.search_items i on i.tenant_id = tenant and i.id = g.hit
      left join moothill.agents a on a.tenant_id = tenant and a.id = i.agent_id
      cross join lateral (
        -- Each is 1 at least and at most 1 and its weight: a boost moves what matches, and lets nothing in.
        select 1 + coalesce((more #>> '{boosts,recency}')::float8 * power(2, - greatest(0, extract(epoch from now() - i.updated_at))
                              / 86400 / (more #>> '{boosts,half_life}')::float8), 0) as recency,
               1 + coalesce((more #>> '{boosts,standing}')::float8
                            * (a.trust::float8 + 1 / (1 + power(10, greatest(-10, least(10, (1500 - a.rating) / 400))))) / 2, 0)
                 as standing
      ) b
      -- At a tie what matches comes before what is only reached.
      order by boosted desc, g.text_place is null and g.vector_place is null, g.hit
      limit size
    ) f;
  elsif asked is null and not lift then
    hits := near_hits;
  elsif near_hits is null or word_hits is null then
    -- One list is in order already.
    hits := coalesce(near_hits, word_hits);
    if like_item is null then
      hits := hits[:size];
    end if;
    text_places := case when near_hits is null then array(select generate_series(1, cardinality(hits))) end;
    vector_places := case when near_hits is not null then array(select generate_series(1, cardinality(hits))) end;
    scores := array(select coalesce(case when near_hits is null then text_weight else vector_weight end, 0) / (smoothing + n)
                    from generate_series(1, cardinality(hits)) as n);
  else
    select array_agg(f.hit), array_agg(f.score), array_agg(f.said_item), array_agg(f.text_score), array_agg(f.text_place),
           array_agg(f.close_item), array_agg(f.similarity), array_agg(f.vector_place)
      into hits, scores, word_items, word_scores, text_places, near_items, near, vector_places
    from (
      select coalesce(s.hit, c.hit) as hit, s.item as said_item, c.item as close_item, s.score as text_score, c.similarity,
             s.place as text_place, c.place as vector_place,
             coalesce(text_weight / (smoothing + s.place), 0) + coalesce(vector_weight / (smoothing + c.place), 0) as score
      from unnest(word_hits, word_items, word_scores) with ordinality as s (hit, item, score, place)
      full join unnest(near_hits, near_items, near) with ordinality as c (hit, item, similarity, place) on c.hit = s.hit
      where coalesce(s.hit, c.hit) is distinct from like_item
      order by score desc, hit
      limit size
    ) f;
  end if;
  if hits is null then
    return;
  end if;
  waiting := exists (select from moothill.embedding_queue q where q.tenant_id = tenant and q.model = wanted_model);

  if asked is null and not lift and not (more ? 'hops' or more ? 'boosts') is true then
    -- By vector alone: nothing to join but the hits and their agents.
    return query
    select h.id, h.kind, h.key, h.title, left(h.body, 600), h.status, h.confidence,
           h.agent_id, case when h.agent_id = h.id then h.key else a.key end,
           case when h.agent_id = h.id then h.title else a.title end, vector_weight / (smoothing + f.place), null::bigint,
           null::float8, '{}'::text[], f.place, f.similarity, null::uuid, null::text, null::text, null::text,
           case when waiting and exists (select from moothill.embedding_queue q where q.tenant_id = tenant
                                         and q.model = wanted_model and q.item_id = h.id) then 'pending'
                else 'fresh' end,
           coalesce(all_exact, true), null::jsonb, null::bigint, null::jsonb, null::jsonb, measured
    from unnest(near_hits, near) with ordinality as f (hit, similarity, place)
    join moothill.search_items h on h.tenant_id = tenant and h.id = f.hit
    left join moothill.search_items a on a.tenant_id = tenant and a.id = nullif(h.agent_id, h.id)
    where f.hit is distinct from like_item
    order by f.place
    limit size;
    return;
  end if;

  return query
  select h.id, h.kind, h.key, h.title, left(h.body, 600), h.status, h.confidence,
         h.agent_id, case when h.agent_id = h.id then h.key else a.key end,
         case when h.agent_id = h.id then h.title else a.title end, f.score, f.text_place, f.text_score,
         case when f.text_place is null then '{}'
              else array(select distinct w.word from unnest(said, asked) as w (word, sought) where s.tsv @@ w.sought order by 1)
         end,
         f.vector_place, f.similarity, t.id, t.kind, t.title, left(t.body, 600),
         case when waiting and exists (select from moothill.embedding_queue q where q.tenant_id = tenant
                                       and q.model = wanted_model and q.item_id = h.id) then 'pending'
              else 'fresh' end,
         coalesce(all_exact, true), alike, f.graph_place,
         case when f.reach is not null then f.reach || jsonb_build_object(
           'parent', (select jsonb_build_object('id', p.id, 'agent_id', p.key, 'name', p.title) from moothill.search_items p
                      where p.tenant_id = tenant and p.id = (f.reach ->> 'parent')::uuid),
           'seed', (select jsonb_build_object('id', p.id, 'agent_id', p.key, 'name', p.title) from moothill.search_items p
                    where p.tenant_id = tenant and p.id = (f.reach ->> 'seed')::uuid)) end,
         f.boost, measured
  from unnest(hits, scores, word_items, word_scores, text_places, near_items, near, vector_places, graph_places, reaches, boosts)
    with ordinality as f (hit, score, said_item, text_score, text_place, close_item, similarity, vector_place, graph_place,
                          reach, boost, number)
  join moothill.search_items h on h.tenant_id = tenant and h.id = f.hit
  left join moothill.search_items a on a.tenant_id = tenant and a.id = nullif(h.agent_id, h.id)
  left join moothill.search_items s on s.tenant_id = tenant and s.id = f.said_item and f.text_place is not null
  left join moothill.search_items t on t.tenant_id = tenant and t.id = nullif(coalesce(f.said_item, f.close_item), f.hit)
  where f.hit is distinct from like_item
  order by f.number
  limit size;
end $$;
comment on function moothill.search_find(uuid, text, public.halfvec, uuid, text, boolean, text[], text[], text[], numeric,
  text, integer, integer, float8, float8, integer, integer, integer, jsonb) is
  'Searches by words, by vector, and along relationships, fused by reciprocal rank, and says why each hit matched.';
select mt.lend('moothill.search_find(uuid, text, public.halfvec, uuid, text, boolean, text[], text[], text[], numeric, text, integer, integer, float8, float8, integer, integer, integer, jsonb)'::regprocedure,
               'moothill_search');

create function moothill.search_facets(tenant uuid, query text, lift boolean, kinds text[], states text[], tags text[],
                                       lowest numeric, agent text, more jsonb, most integer)
  returns table (facet text, value text, items bigint)
  language plpgsql stable security definer set search_path = pg_catalog, moothill, mt, public, pg_temp as $$
#variable_conflict use_column
declare
  mine tsquery := ('''' || mt.tenant_lexeme(tenant) || '''')::tsquery;
  owner uuid;
  finder tsquery;
  piece tsquery;
  must tsquery;
  without tsquery;
  one text;
  scope text;
begin
  perform mt.same_tenant(tenant);
  if agent is not null then
    select i.id into owner from moothill.search_items i
    where i.tenant_id = tenant and i.kind = 'agent' and (i.key = agent or i.id::text = lower(agent))
    order by i.key = agent desc nulls last limit 1;
  end if;
  for piece in select w.asked from moothill.search_words(query) w loop
    finder := case when finder is null then piece else finder || piece end;
  end loop;
  for one in select jsonb_array_elements_text(more -> 'beginnings') loop
    piece := moothill.search_beginning(tenant, one, 50);
    finder := case when finder is null then piece when piece is null then finder else finder || piece end;
  end loop;
  for one in select jsonb_array_elements_text(more -> 'phrases') loop
    piece := moothill.search_phrase(one);
    must := case when must is null then piece when piece is null then must else must && piece end;
  end loop;
  for one in select jsonb_array_elements_text(more -> 'without') loop
    piece := moothill.search_phrase(one);
    without := case when without is null then piece when piece is null then without else without || piece end;
  end loop;
  if finder is null and query is not null then
    return;
  end if;
  scope := moothill.search_scope(lift, kinds is not null, states is not null, tags is not null, lowest is not null,
                                 agent is not null, must is not null, without is not null, false);
  return query execute
    'with found as materialized (select '
    || case when lift then 'distinct h.id, h.kind, h.status from moothill.search_items i join moothill.search_items h '
                           'on h.tenant_id = $1 and h.id = i.agent_id where i.tenant_id = $1'
            else 'i.id, i.kind, i.status from moothill.search_items i where i.tenant_id = $1' end
    || case when finder is not null then ' and i.tsv @@ $9' else '' end
    || case when scope <> '' then ' and ' || scope else '' end
    || ' limit $10), part as materialized (select * from found limit $10 - 1) '
    'select ''items'', '''', count(*) from found '
    'union all (select ''kind'', f.kind, count(*) as n from part f group by 2 order by n desc, 2) '
    'union all (select ''status'', f.status, count(*) as n from part f where f.status is not null group by 2 '
    'order by n desc, 2 limit 30) '
    'union all (select ''tag'', t.value, count(*) as n from part f join moothill.search_item_facets t '
    'on t.tenant_id = $1 and t.item_id = f.id and t.facet = ''tag'' group by 2 order by n desc, 2 limit 30)'
    using tenant, kinds, states, tags, lowest, owner, must && mine, without, finder && mine, most + 1;
end $$;
comment on function moothill.search_facets(uuid, text, boolean, text[], text[], text[], numeric, text, jsonb, integer) is
  'What matches, counted by kind, state and tag: the first so many items, or agents to which they lift, that hold any word of the query and pass its filters.';
select mt.lend('moothill.search_facets(uuid, text, boolean, text[], text[], text[], numeric, text, jsonb, integer)'::regprocedure,
               'moothill_search');

-- squawk-ignore ban-drop-function
drop function moothill.search_lost(uuid, text[], text[], text[], numeric, text, text);
create function moothill.search_lost(tenant uuid, kinds text[], states text[], tags text[], lowest numeric, agent text,
                                     query text)
  returns table (items bigint, with_words bigint, of_kinds bigint, in_states bigint, with_tags bigint,
                 confident bigint, of_agent bigint, agent_known boolean, guesses jsonb)
  language plpgsql stable security definer set search_path = pg_catalog, moothill, mt, public, pg_temp as $$
declare
  unknown text[];
begin
  perform mt.same_tenant(tenant);
  select array_agg(u.word) into unknown
  from (
    select w.word
    from (select array_agg(q.word) as words, moothill.search_held(tenant, array_agg(q.asked), 1) as counts
          from moothill.search_words(query) q) every
    cross join lateral unnest(every.words, every.counts) as w (word, n)
    group by w.word
    having max(w.n) = 0) u;
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
         exists (select from owner),
         case when unknown is not null then moothill.search_guess(tenant, unknown, 40) end
  from asked a
  left join lateral (
    select * from moothill.search_items i where i.tenant_id = tenant limit 10000
  ) i on true
  group by a.words;
end $$;
comment on function moothill.search_lost(uuid, text[], text[], text[], numeric, text, text) is
  'Why a search found nothing: how many of the tenant''s first 10,000 items pass each filter by itself, and which words of the tenant are spelt like those that no item holds.';
select mt.lend('moothill.search_lost(uuid, text[], text[], text[], numeric, text, text)'::regprocedure, 'moothill_search');
