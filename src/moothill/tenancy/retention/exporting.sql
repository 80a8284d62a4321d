-- name: tables
-- Every table, and how many rows of this tenant it has.
-- returns: many
select relation, rows from jobs_export_tables();

-- name: page
-- The next rows of this tenant in a table, as JSON.
-- returns: many
select line, key from jobs_export_page(%(relation)s, %(after)s::jsonb, %(size)s, %(most_bytes)s);
