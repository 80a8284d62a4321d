"""What grows has a class, and what names an agent says what its erasure does: looked for in the catalog."""

from tests.integration.retention.house import House

# Tables that the application fills and never empties, and why they need no class.
KEPT = {
    "agents": "the agents themselves; erasure empties them",
    "tenant_keys": "a few for each tenant; they go with it, and nothing sealed can be read without them",
    "service_accounts": "a few for each tenant; the logs name them",
    "legal_holds": "who held what, and who released it: kept like the reports of erasures",
    "tenant_privacy": "one row for each tenant",
    "task_graphs": "one row for each tenant",
    "embedding_moves": "goes when the copy that it is for is done",
    "embedding_placements": "one row for each embedding model",
    "search_vocabulary": "the words of what can be found; a sweeper takes out those that nothing holds any more",
}


async def test_every_table_that_only_grows_is_in_a_class(house: House) -> None:
    """A later subsystem adds one line to its migration: `select mt.retain(...)`."""
    growing = await house.ask(
        "select c.relname::text from pg_class c "
        "join pg_attribute a on a.attrelid = c.oid and a.attname = 'tenant_id' and not a.attisdropped "
        "where c.relnamespace = 'moothill'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition "
        "and has_table_privilege('moothill_app', c.oid, 'insert') "
        "and not has_table_privilege('moothill_app', c.oid, 'delete')"
    )
    classes = {row[0] for row in await house.ask("select relation from moothill.retention_classes")}
    unknown = {row[0] for row in growing} - classes - set(KEPT)
    assert unknown == set(), "declare with mt.retain what becomes of old rows"


async def test_every_table_that_names_agents_says_what_their_erasure_does(house: House) -> None:
    """A later subsystem adds one line to its migration: `select mt.trace(...)`."""
    naming = await house.ask(
        "select distinct c.relname::text, a.attname::text from pg_class c "
        "join pg_attribute t on t.attrelid = c.oid and t.attname = 'tenant_id' and not t.attisdropped "
        "join pg_attribute a on a.attrelid = c.oid and a.atttypid = 'uuid'::regtype and not a.attisdropped "
        "where c.relnamespace = 'moothill'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition "
        "and (a.attname ~ '(^|_)(agent|actor)(_id)?$' or a.attname ~ '_by$' and a.attname <> 'replaced_by' or exists ("
        "  select from pg_constraint k where k.conrelid = c.oid and k.confrelid = 'moothill.agents'::regclass "
        "  and a.attnum = any (k.conkey) and a.attname <> 'tenant_id'))"
    )
    declared = {
        (relation, column)
        for relation, columns in await house.ask("select relation, columns from moothill.agent_traces")
        for column in columns
    }
    assert set(naming) - declared == set(), "declare with mt.trace what the erasure of an agent does there"


async def test_what_is_declared_exists(house: House) -> None:
    missing = await house.ask(
        "select relation, named from (select relation, unnest(columns) as named from moothill.agent_traces "
        "union all select relation, moment from moothill.retention_classes) d "
        "where not exists (select from pg_attribute a where a.attrelid = to_regclass('moothill.' || d.relation) "
        "and a.attname = d.named and not a.attisdropped)"
    )
    assert missing == []
