"""Looking for a word in every column of every table: tables are found in the catalog, none is named here."""

from tests.integration.retention.house import House

__all__ = ["holding", "tables"]

_TABLES = """
select c.relname::text from pg_class c
where c.relnamespace = 'moothill'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition
order by 1
"""


async def tables(house: House) -> list[str]:
    """Every table, control tables too; a partitioned one counts once."""
    return [row[0] for row in await house.ask(_TABLES)]


async def holding(house: House, word: str) -> dict[str, int]:
    """Tables in which a word stands, in whatever column, with the number of rows."""
    found: dict[str, int] = {}
    for table in await tables(house):
        # Bytes are shown as hexadecimal digits: a card is a text too.
        rows = await house.ask(
            f"select count(*) from moothill.{table} t where t::text ilike %s or t::text ilike %s",
            f"%{word}%",
            f"%{word.encode().hex()}%",
        )
        if rows[0][0]:
            found[table] = rows[0][0]
    return found
