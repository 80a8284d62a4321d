"""The self-check: a service whose guards are not all standing serves nobody.

Each guard of `guards.sql` is a query that lists its faults. The numbers are those of the isolation
checklist in docs/explanation/isolation.md. Minors of PostgreSQL with known holes are named too.
"""

import logging
import re
from dataclasses import dataclass
from importlib import resources

from ..kernel.errors import Conflict, Internal
from .migrate import history
from .pool import Database, run_plain

__all__ = ["Finding", "GuardMissing", "check_guards", "guards", "inspect_guards"]

_log = logging.getLogger("moothill.guards")
# The first minor of each major without the row security holes known in November 2026.
SAFE_MINORS = {16: 14, 17: 10, 18: 4}


class GuardMissing(Internal):
    """A guard of the isolation is missing; nothing is served until it stands again."""


class SchemaMissing(Conflict):
    """This database has no Moothill schema, or an older one; run `moothill db migrate`."""


class VulnerableServer(Conflict):
    """This PostgreSQL minor has known holes in row security; upgrade it."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One fault of one guard."""

    guard: str
    fault: str


def guards() -> dict[str, str]:
    """The guards by name: the SQL that lists each one's faults."""
    text = (resources.files("moothill.database") / "guards.sql").read_text(encoding="utf-8")
    blocks = re.split(r"^-- name:\s*", text, flags=re.MULTILINE)[1:]
    return {block.partition("\n")[0].strip(): block.partition("\n")[2].strip().rstrip(";") for block in blocks}


async def inspect_guards(database: Database) -> list[Finding]:
    """Every fault of every guard; empty when all stand."""
    found: list[Finding] = []
    # A name of the pattern that the setting allows, so it needs no quoting.
    record = f"'{database.settings.migration_table}'"
    checks = {name: sql.replace("'schema_migrations'", record) for name, sql in guards().items()}
    async with database.connection() as connection:
        async with connection.pipeline():
            cursors = {name: await connection.execute(sql) for name, sql in checks.items()}
        for name, cursor in cursors.items():
            found += [Finding(name, row["fault"]) for row in await cursor.fetchall()]
    return found


async def check_guards(database: Database) -> None:
    """Let the service start, or refuse.

    Raises:
        SchemaMissing: migrations are pending.
        VulnerableServer: the server's minor has known holes and `strict` is set.
        GuardMissing: with every fault found.
    """
    table = database.settings.migration_table
    async with database.connection() as connection:
        rows = await run_plain(
            connection,
            "select to_regclass(%(table)s) is not null as migrated, "
            "current_setting('server_version_num')::int as version",
            {"table": f"moothill.{table}"},
        )
        if not rows[0]["migrated"]:
            raise SchemaMissing()
        applied = await run_plain(connection, f"select count(*) as n from {table} where state = 'applied'")  # noqa: S608
    if applied[0]["n"] < len(history()):
        raise SchemaMissing()
    _check_version(rows[0]["version"], strict=database.settings.strict)
    findings = await inspect_guards(database)
    if findings:
        for finding in findings:
            _log.error("guard_missing", extra={"guard": finding.guard, "fault": finding.fault})
        raise GuardMissing(
            f"{len(findings)} fault(s) in the guards of the isolation, the first: {findings[0].fault}. "
            "Restore it (`moothill db check` lists all); nothing is served until then.",
            guard=findings[0].guard,
        )


def _check_version(version: int, *, strict: bool) -> None:
    major, minor = version // 10000, version % 10000
    safe = SAFE_MINORS.get(major)
    if safe is not None and minor < safe:
        _log.warning("vulnerable_server", extra={"version": f"{major}.{minor}", "safe": f"{major}.{safe}"})
        if strict:
            raise VulnerableServer(f"PostgreSQL {major}.{minor} has known holes; upgrade to {major}.{safe} or later.")
