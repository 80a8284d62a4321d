"""What the rows of the described systems name is really there: operations, SQL, settings, commands, routes, notes."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import typer.main

from moothill.database.embedded import EmbeddedServer
from moothill.described_systems import load, unresolved
from moothill.doors.cli.app import ALIASES, build
from moothill.doors.cli.commands.bench import BENCHES
from moothill.doors.cli.groups import COMMANDS, GROUPS
from moothill.kernel.service import REGISTRY
from moothill.kernel.settings import FOREIGN_NAMES, Settings
from tests.conftest import DATABASE
from tests.serving import serving

DECISIONS = Path(__file__).resolve().parents[2] / "docs" / "decisions"
ADDRESSES = {f"{family}_{part}" for family in ("DB", "POSTGRES") for part in ("HOST", "PORT", "USER", "PASSWORD")}


async def test_everything_that_carries_a_described_thing_exists(server: EmbeddedServer, settings: Settings) -> None:
    found = unresolved(
        operations={name for name, each in REGISTRY.items() if each.body.__module__.startswith("moothill.")},
        views=await relations(server, "v", "m"),
        tables=await relations(server, "r", "p"),
        settings={f"MOOTHILL_{name.upper()}" for name in Settings.model_fields}
        | {*FOREIGN_NAMES, *ADDRESSES, "DB_NAME", "POSTGRES_DB", "DATABASE_URL"},
        commands=set(commands()),
        routes=await routes(server, settings),
        decisions={page.stem for page in DECISIONS.glob("*.md")},
    )
    assert [str(each) for each in found] == []


def test_the_address_in_parts_that_rows_name_is_read() -> None:
    """`FOREIGN_NAMES` does not list them: one part alone is no setting."""
    named = {target.partition(":")[2] for system in load() for row in system.rows for target in row.carried_by}
    for family, database in (("DB", "DB_NAME"), ("POSTGRES", "POSTGRES_DB")):
        parts = {f"{family}_{part}": f"7{part.lower()}" for part in ("HOST", "USER", "PASSWORD")}
        parts |= {database: "7name", f"{family}_PORT": "77"}
        assert parts.keys() <= named
        dsn = Settings.load(parts).dsn
        assert dsn is not None
        assert all(value in dsn.get_secret_value() for value in parts.values())


async def relations(server: EmbeddedServer, *kinds: str) -> set[str]:
    """Names in the schema of the migrated database; partitions are no tables of their own."""
    async with await psycopg.AsyncConnection.connect(server.dsn("admin", DATABASE)) as admin:
        rows = await admin.execute(
            "select relname from pg_class "
            "where relnamespace = 'moothill'::regnamespace and relkind::text = any(%s) and not relispartition",
            [list(kinds)],
        )
        return {name for (name,) in await rows.fetchall()}


async def routes(server: EmbeddedServer, settings: Settings) -> set[str]:
    """Paths of the running server's own description."""
    async with serving(server.dsn("app", DATABASE), settings) as live, live.client() as client:
        return set((await client.get("/openapi.json")).json()["paths"])


def commands() -> Iterator[str]:
    """Every command line without options, the natural names and the benchmarks included."""
    for name in [*COMMANDS, *GROUPS]:
        command: Any = typer.main.get_command(build(name))
        yield f"moothill {name}"
        for verb in getattr(command.commands[name], "commands", ()):
            yield f"moothill {name} {verb}"
    for words in ALIASES:
        yield " ".join(("moothill", *words))
    for name in BENCHES:
        yield f"moothill bench {name}"
