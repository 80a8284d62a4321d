-- The two readings of a name are held apart by the tenant's lexeme, so that no phrase reaches from one into the other;
-- the other parts differ in weight.
-- let: spoken
setweight(to_tsvector('pg_catalog.english', %(name)s), 'A')
          || ('''' || mt.tenant_lexeme(%(tenant)s) || ''':50')::tsvector
          || setweight(to_tsvector('pg_catalog.simple', %(name)s), 'A')
          || setweight(to_tsvector('pg_catalog.english', %(keywords)s), 'B')
          || setweight(to_tsvector('pg_catalog.english', %(words)s), 'C')
          || setweight(to_tsvector('pg_catalog.simple', %(words)s), 'D')
          || setweight(to_tsvector('pg_catalog.simple', %(keywords)s), 'D')

-- name: put
-- Write an item with its facets; what has a new text waits for the vectors that are not written with it.
-- returns: run
with item as (
  insert into search_items (tenant_id, id, kind, key, agent_id, title, body, tsv, status, confidence, digest,
                            updated_at)
  values (%(tenant)s, %(id)s, %(kind)s, %(key)s, %(agent)s, %(title)s, %(body)s, {spoken},
          %(status)s, %(confidence)s, %(digest)s, now())
  on conflict (tenant_id, id) do update
  set kind = excluded.kind, key = excluded.key, agent_id = excluded.agent_id, title = excluded.title,
      body = excluded.body, tsv = excluded.tsv, status = excluded.status, confidence = excluded.confidence,
      digest = excluded.digest, updated_at = excluded.updated_at
  where (search_items.kind, search_items.key, search_items.agent_id, search_items.title, search_items.body,
         search_items.tsv, search_items.status, search_items.confidence)
        is distinct from (excluded.kind, excluded.key, excluded.agent_id, excluded.title, excluded.body,
                          excluded.tsv, excluded.status, excluded.confidence)
), gone as (
  delete from search_item_facets f
  where f.tenant_id = %(tenant)s and f.item_id = %(id)s
    and not (f.facet = 'status' and f.value = coalesce(%(status)s, '')
             or f.facet = 'tag' and f.value = any(%(tags)s::text[]))
), kept as (
  insert into search_item_facets (tenant_id, item_id, facet, value)
  select tn.id, %(id)s, given.facet, given.value
  from tenants tn
  cross join (
    select 'status' as facet, %(status)s::text as value
    union
    select 'tag', tag from unnest(%(tags)s::text[]) as t (tag)
  ) given
  where tn.id = %(tenant)s and given.value is not null
  on conflict (tenant_id, item_id, facet, value) do nothing
)
insert into embedding_queue (tenant_id, model, item_id, queued_at)
select tn.id, waiting.model, %(id)s, now()
from tenants tn
cross join (
  select p.model from embedding_placements p where p.tenant_id = %(tenant)s and p.state <> 'retired'
  union
  select %(model)s::text
) waiting
where tn.id = %(tenant)s and waiting.model is distinct from %(fresh)s::text
  -- By an order and a range, not by equality: while the table is young, every index looks alike to the planner, and by
  -- another one than the key's a bulk load would walk through all it has written for each item.
  and (
    select i.digest from search_items i
    where i.tenant_id = %(tenant)s and i.id between %(id)s and %(id)s
    order by i.id
    limit 1) is distinct from %(digest)s
on conflict (tenant_id, model, item_id) do update
set queued_at = excluded.queued_at, attempts = excluded.attempts, error = excluded.error;

-- name: note
-- Add the words of an item's text that the tenant's vocabulary lacks.
-- returns: run
select search_note(%(tenant)s, %(id)s, %(said)s);

-- name: sweep
-- Take words that no item holds any more out of the vocabulary, among the next ones.
-- returns: one
select last, gone from search_sweep(%(tenant)s, %(after)s, %(size)s);

-- name: put_vector
-- Store the vector of an item, or that it has none.
-- returns: run
select put_embedding(%(tenant)s, %(model)s, %(id)s, %(kind)s, %(vector)s);

-- name: touch
-- Change what filters look at, and leave text and vectors alone.
-- returns: run
with item as (
  update search_items i
  set status = coalesce(%(status)s::text, i.status), confidence = coalesce(%(confidence)s::numeric, i.confidence),
      updated_at = now()
  where i.tenant_id = %(tenant)s and i.id = %(id)s
), gone as (
  delete from search_item_facets f
  where f.tenant_id = %(tenant)s and f.item_id = %(id)s
    and (f.facet = 'status' and f.value <> %(status)s::text
         or f.facet = 'tag' and f.value <> all(%(tags)s::text[]))
)
insert into search_item_facets (tenant_id, item_id, facet, value)
select i.tenant_id, i.id, given.facet, given.value
from search_items i
cross join (
  select 'status' as facet, %(status)s::text as value
  union
  select 'tag', tag from unnest(%(tags)s::text[]) as t (tag)
) given
where i.tenant_id = %(tenant)s and i.id = %(id)s and given.value is not null
on conflict (tenant_id, item_id, facet, value) do nothing;

-- name: drop_vectors
-- Remove the vectors of items, of every model.
-- returns: run
select drop_embeddings(%(tenant)s, %(ids)s::uuid[]);

-- name: remove
-- Remove items; their facets and their places in the queue go with them.
-- returns: run
delete from search_items where tenant_id = %(tenant)s and id = any(%(ids)s::uuid[]);

-- name: find
-- Search by words, by vector, or by both.
-- returns: many
select id, kind, key, title, body, status, confidence, agent_id, agent_key, agent_title, score, text_rank, text_score,
       words, vector_rank, similarity, through_id, through_kind, through_title, through_body, vector, exact, guesses,
       graph_rank, reach, boost, measured
from search_find(%(tenant)s, %(text)s, %(vector)s, %(item)s, %(model)s, %(lift)s, %(kinds)s::text[],
                 %(status)s::text[], %(tags)s::text[], %(confidence)s, %(agent)s, %(size)s, %(depth)s,
                 %(text_weight)s, %(vector_weight)s, %(smoothing)s, %(few)s, %(common)s, %(more)s);

-- name: lost
-- How many items pass each condition of a search that found nothing.
-- returns: one
select items, with_words, of_kinds, in_states, with_tags, confident, of_agent, agent_known, guesses
from search_lost(%(tenant)s, %(kinds)s::text[], %(status)s::text[], %(tags)s::text[], %(confidence)s, %(agent)s,
                 %(text)s);

-- name: facets
-- What matches, counted by kind, state and tag; the facet `items` counts all of it.
-- returns: many
select facet, value, items
from search_facets(%(tenant)s, %(text)s, %(lift)s, %(kinds)s::text[], %(status)s::text[], %(tags)s::text[],
                   %(confidence)s, %(agent)s, %(more)s, %(most)s);

-- name: models
-- Every embedding model, and how it stands in this tenant.
-- returns: many
select model, dimensions, state, place, copied, effort, vectors, pending, failed, oldest, index_bytes, table_bytes,
       created_at
from search_models(%(tenant)s);

-- name: kinds
-- What can be found, by kind.
-- returns: many
select kind, count(*) as items
from search_items
where tenant_id = %(tenant)s
group by kind
order by kind;

-- name: lag
-- How many seconds the oldest item has waited for a vector.
-- returns: one
select coalesce(extract(epoch from now() - min(queued_at)), 0)::float8 as seconds
from embedding_queue
where tenant_id = %(tenant)s;

-- name: ready
-- The model that answers in this tenant, and whether another has a table.
-- returns: one
select (select p.model from embedding_placements p where p.tenant_id = %(tenant)s and p.state = 'serving') as serving,
       exists (select from embedding_models m where m.slug = %(model)s) as made;

-- name: make_model
-- Make the table of a model, once.
-- returns: one
select embedding_admit(%(model)s, %(dimensions)s) as relation;

-- name: adopt
-- Begin to use a model in this tenant: as the one that answers if there is none, else as one to be built.
-- returns: run
insert into embedding_placements (tenant_id, model, state)
select tn.id, %(model)s,
       case when exists (select from embedding_placements p where p.tenant_id = %(tenant)s and p.state = 'serving')
            then 'building' else 'serving' end
from tenants tn
where tn.id = %(tenant)s
on conflict do nothing;

-- name: retire
-- Let the model that answers go, unless it is this one.
-- returns: maybe
update embedding_placements
set state = 'retired', changed_at = now()
where tenant_id = %(tenant)s and state = 'serving' and model <> %(model)s
returning model;

-- name: serve
-- Let a model answer that has been built.
-- returns: maybe
update embedding_placements
set state = 'serving', changed_at = now()
where tenant_id = %(tenant)s and model = %(model)s and state <> 'serving'
returning model;

-- name: rebuild
-- Take a retired model up again.
-- returns: run
update embedding_placements
set state = 'building', changed_at = now()
where tenant_id = %(tenant)s and model = %(model)s and state = 'retired';

-- name: used
-- The models that this tenant uses or lets go, and how many items wait for each.
-- returns: many
select p.model, p.state, p.place,
       (select count(*) from embedding_queue q
        where q.tenant_id = %(tenant)s and q.model = p.model and q.attempts < %(attempts)s) as waiting
from embedding_placements p
where p.tenant_id = %(tenant)s
order by p.model;

-- name: queue_all
-- Queue a batch of items for a model; the last of them.
-- returns: maybe
with part as materialized (
  select i.tenant_id, i.id
  from search_items i
  where i.tenant_id = %(tenant)s and (%(after)s::uuid is null or i.id > %(after)s::uuid)
  order by i.id
  limit %(size)s
), queued as (
  insert into embedding_queue (tenant_id, model, item_id, queued_at)
  select tenant_id, %(model)s, id, now() from part
  on conflict (tenant_id, model, item_id) do nothing
)
select (array_agg(id order by id desc))[1] as last, count(*) as taken
from part
having count(*) > 0;

-- name: queued
-- Texts that wait longest for a vector of a model.
-- returns: many
select i.id, i.kind, i.title, i.body, i.digest, q.queued_at
from embedding_queue q
join search_items i on i.tenant_id = q.tenant_id and i.id = q.item_id
where q.tenant_id = %(tenant)s and q.model = %(model)s and i.tenant_id = %(tenant)s and q.attempts < %(attempts)s
order by q.queued_at, q.item_id
limit %(size)s;

-- name: settle
-- Store the vector of a queued item, unless its text has changed since it was read.
-- returns: run
select put_embedding(%(tenant)s, %(model)s, i.id, i.kind, %(vector)s, %(queued_at)s)
from search_items i
where i.tenant_id = %(tenant)s and i.id = %(id)s and i.digest = %(digest)s;

-- name: refuse
-- Note that the provider refused an item.
-- returns: run
update embedding_queue
set attempts = attempts + 1, error = %(code)s
where tenant_id = %(tenant)s and model = %(model)s and item_id = %(id)s;

-- name: take_time
-- Let the statements that follow in this transaction run for longer than a call's.
-- returns: run
select mt.set_context(%(tenant)s, mt.actor(), mt.actor_kind(), %(milliseconds)s);

-- name: promote
-- One step on the way to a partition of the tenant's own.
-- returns: one
select place, copied, finished
from embedding_promote(%(tenant)s, %(model)s, %(links)s, %(candidates)s, %(batch)s, %(bulk)s);

-- name: demote
-- Bring few vectors back into the shared partition.
-- returns: one
select embedding_demote(%(tenant)s, %(model)s, %(most)s) as moved;

-- name: forget
-- Remove a batch of the vectors of a model that was retired some time ago; true when there is no more to do.
-- returns: one
select embedding_retire(%(tenant)s, %(model)s, %(batch)s, %(grace)s) as done;

-- name: set_effort
-- How many candidates the tenant's index looks at.
-- returns: run
update embedding_placements
set effort = %(effort)s, tuned_vectors = %(vectors)s
where tenant_id = %(tenant)s and model = %(model)s;

-- name: tuned
-- How many vectors there were when the effort was measured; null: it was not.
-- returns: one
select (select p.tuned_vectors from embedding_placements p
        where p.tenant_id = %(tenant)s and p.model = %(model)s) as tuned;
