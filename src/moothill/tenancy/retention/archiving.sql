-- let: archive
id, class as data_class, file, rows, bytes, sha256, digest, state, first_at, last_at, made_at, cutoff

-- name: under_way
-- The file of a class whose rows are still in the database.
-- returns: maybe
select {archive} from retention_archives
where tenant_id = %(tenant)s and class = %(data_class)s and state = 'written';

-- name: page
-- The oldest rows of a class that are to be archived, as JSON.
-- returns: many
select line, at, cutoff from jobs_archive_page(%(data_class)s, %(size)s);

-- name: columns
-- Columns of the table of a class, with their types.
-- returns: many
select a.attname::text as name, format_type(a.atttypid, null) as type
from retention_classes c
join pg_attribute a on a.attrelid = to_regclass(format('moothill.%%I', c.relation)) and a.attnum > 0 and not a.attisdropped
where c.name = %(data_class)s
order by a.attnum;

-- name: note
-- Name a file in the manifest.
-- returns: run
select jobs_archive_note(%(id)s, %(data_class)s, %(file)s, %(rows)s, %(bytes)s, %(sha256)s, %(digest)s, %(cutoff)s,
                         %(first_at)s, %(last_at)s);

-- name: settle
-- Delete the rows that a file holds: settled, void or gone.
-- returns: one
select jobs_archive_settle(%(id)s, %(on_disk)s) as outcome;

-- name: known
-- Which of these files the manifest names.
-- returns: many
select file from retention_archives where tenant_id = %(tenant)s and file = any(%(names)s);

-- name: next_settled
-- The next file whose rows are gone from the database.
-- returns: maybe
select {archive} from retention_archives
where tenant_id = %(tenant)s and id > %(after)s and state = 'settled'
order by id
limit 1;

-- name: replace
-- Name another file in the place of one.
-- returns: one
select jobs_archive_replace(%(id)s, %(file)s, %(rows)s, %(bytes)s, %(sha256)s, %(digest)s) as replaced;

-- name: lock_files
-- Let nobody else write or remove files of this tenant until this transaction ends.
-- returns: run
select pg_advisory_xact_lock(1919247215, hashtext(%(tenant)s::text));
