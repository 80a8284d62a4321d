-- name: sample
-- Items of this tenant, chosen by chance, whose vectors serve as queries.
-- returns: many
select item from search_sample(%(tenant)s, %(model)s, %(size)s, %(seed)s) as item;

-- name: probe
-- What the index finds near a mixture of two items at each effort; effort 0 compares all.
-- returns: many
select effort, hits, milliseconds
from search_probe(%(tenant)s, %(model)s, %(item)s, %(beside)s, %(efforts)s::integer[], %(nearest)s);

-- name: tune
-- Set an effort that was measured.
-- returns: run
update embedding_placements p
set effort = %(effort)s,
    tuned_vectors = (select m.vectors from search_models(%(tenant)s) m where m.model = %(model)s)
where p.tenant_id = %(tenant)s and p.model = %(model)s;
