-- Tables of models and partitions of tenants are made at run time; the registry of models names them all.
drop function moothill.search_models(uuid);
drop function moothill.search_lost(uuid, text[], text[], text[], numeric, text, text);
drop function moothill.search_find(uuid, text, public.halfvec, uuid, text, boolean, text[], text[], text[], numeric, text, integer, integer, float8, float8, integer, integer, integer);
drop function moothill.search_vector(uuid, text, public.halfvec, boolean, text[], text[], text[], numeric, uuid, integer, integer);
drop function moothill.search_few(uuid, text[], text[], text[], uuid, integer);
drop function moothill.search_text(uuid, tsquery[], float8[], boolean, text[], text[], text[], numeric, uuid, integer, integer);
drop function moothill.search_words(text);
drop function moothill.search_text_statement(boolean, text, integer);
drop function moothill.search_vector_statement(text, boolean, boolean, text, boolean);
drop function moothill.search_scope(boolean, boolean, boolean, boolean, boolean, boolean, boolean);
drop function moothill.drop_embeddings(uuid, uuid[]);
drop function moothill.put_embedding(uuid, text, uuid, text, public.halfvec, timestamptz);
drop function moothill.embedding_retire(uuid, text, integer, interval);
drop function moothill.embedding_demote(uuid, text, bigint);
drop function moothill.embedding_promote(uuid, text, integer, integer, integer, bigint);
drop function moothill.embedding_catch_up(uuid, text, text);
drop function moothill.embedding_admit(text, integer);
drop function mt.same_tenant(uuid);
drop function mt.hold_embeddings(uuid, text, boolean);
drop function mt.move_embeddings(uuid, text);
drop function mt.drop_embedding_partition(text, text, boolean, boolean);
drop function mt.attach_embedding_partition(text, text, uuid);
drop function mt.index_embedding_partition(text, integer, integer);
drop function mt.make_embedding_partition(text, uuid);
drop function mt.make_embedding_model(text, integer);
drop function mt.tenant_lexeme(uuid);
do $$
declare
  relation text;
begin
  -- Partitions on their way are not attached yet, so they do not go with their model's table.
  for relation in
    select c.relname from pg_class c
    where c.relnamespace = 'moothill'::regnamespace and c.relname ~ '^embedding_m\d+_[0-9a-f]{12}$'
      and c.relkind = 'r' and not c.relispartition
    union all
    select 'embedding_' || m.slug from moothill.embedding_models m
  loop
    execute format('drop table moothill.%I', relation);
  end loop;
end $$;
drop table moothill.embedding_moves;
drop table moothill.embedding_queue;
drop table moothill.embedding_placements;
drop table moothill.search_item_facets;
drop table moothill.search_items;
drop table moothill.embedding_models;
