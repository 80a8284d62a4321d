"""The self-check: a service whose guards are not all standing serves nobody.

Each guard of `guards.sql` is a query that lists its faults. The numbers are those of the isolation
checklist in docs/explanation/isolation.md. Minors of PostgreSQL with known holes are named too.
"""

import itertools
import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources

from ..kernel.errors import Conflict, Internal, MoothillError
from .migrate import history
from .pool import Database, run_plain

__all__ = [
    "Finding",
    "Guard",
    "GuardMissing",
    "SelfCheck",
    "check_guards",
    "described_guards",
    "guards",
    "inspect_guards",
    "self_check",
]

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


@dataclass(frozen=True, slots=True)
class Guard:
    """One guard, in words.

    Attributes:
        places: its numbers on the isolation checklist; empty where it has none.
        asks: what has to hold.
        against: what it keeps out.
    """

    name: str
    places: str
    asks: str
    against: str


@dataclass(frozen=True, slots=True)
class SelfCheck:
    """What a process looks at before it serves.

    Attributes:
        migrated: whether the schema is there at all; if not, nothing else was looked at.
        pending: migrations that this code knows and the database lacks.
        version: major and minor of the server.
        safe_minor: the first minor of that major without known holes; None where none is known.
        role: whom the service is connected as.
        findings: every fault of every guard.
    """

    migrated: bool
    pending: int
    version: tuple[int, int]
    safe_minor: int | None
    role: str
    findings: Sequence[Finding] = ()

    @property
    def is_safe_version(self) -> bool:
        """Whether the server is free of the holes that are known."""
        return self.safe_minor is None or self.version[1] >= self.safe_minor

    def refusal(self, *, strict: bool) -> MoothillError | None:
        """Why nothing may be served; None when everything stands. `strict` counts known holes of the server."""
        major, minor = self.version
        if not self.migrated or self.pending > 0:
            return SchemaMissing()
        if strict and not self.is_safe_version:
            return VulnerableServer(
                f"PostgreSQL {major}.{minor} has known holes; upgrade to {major}.{self.safe_minor} or later."
            )
        if self.findings:
            return GuardMissing(
                f"{len(self.findings)} fault(s) in the guards of the isolation, the first: {self.findings[0].fault}. "
                "Restore it (`moothill db check` lists all); nothing is served until then.",
                guard=self.findings[0].guard,
            )
        return None


def guards() -> dict[str, str]:
    """The guards by name: the SQL that lists each one's faults."""
    text = (resources.files("moothill.database") / "guards.sql").read_text(encoding="utf-8")
    blocks = re.split(r"^-- name:\s*", text, flags=re.MULTILINE)[1:]
    return {block.partition("\n")[0].strip(): block.partition("\n")[2].strip().rstrip(";") for block in blocks}


def described_guards() -> list[Guard]:
    """The guards in words, in the order in which they are asked."""
    return [_described(name, sql) for name, sql in guards().items()]


def _described(name: str, sql: str) -> Guard:
    comments = itertools.takewhile(lambda line: line.startswith("--"), sql.splitlines())
    # The first says what has to hold; others between it and the last are for whoever reads the SQL.
    asks, *_, against = (line.removeprefix("--").removeprefix(" against:").strip() for line in comments)
    places, colon, rest = asks.partition(":")
    has_places = bool(colon) and places.replace(" and ", "").isdigit()
    asks = rest.strip() if has_places else asks
    return Guard(name, places if has_places else "", *(line[:1].upper() + line[1:] for line in (asks, against)))


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


async def self_check(database: Database) -> SelfCheck:
    """Look at everything that has to stand before a process serves, and judge nothing."""
    table = database.settings.migration_table
    async with database.connection() as connection:
        rows = await run_plain(
            connection,
            "select to_regclass(%(table)s) is not null as migrated, current_user::text as role, "
            "current_setting('server_version_num')::int as version",
            {"table": f"moothill.{table}"},
        )
        version = divmod(rows[0]["version"], 10000)
        role, safe = rows[0]["role"], SAFE_MINORS.get(version[0])
        if not rows[0]["migrated"]:
            return SelfCheck(False, len(history()), version, safe, role)
        applied = await run_plain(connection, f"select count(*) as n from {table} where state = 'applied'")  # noqa: S608
    pending = max(0, len(history()) - applied[0]["n"])
    # On a schema of another age the guards would speak of things that are not there.
    findings = [] if pending else await inspect_guards(database)
    return SelfCheck(True, pending, version, safe, role, findings)


async def check_guards(database: Database) -> None:
    """Let the service start, or refuse.

    Raises:
        SchemaMissing: migrations are pending.
        VulnerableServer: the server's minor has known holes and `strict` is set.
        GuardMissing: with every fault found.
    """
    found = await self_check(database)
    if found.migrated and not found.is_safe_version:
        version = "{}.{}".format(*found.version)
        _log.warning("vulnerable_server", extra={"version": version, "safe": f"{found.version[0]}.{found.safe_minor}"})
    for finding in found.findings:
        _log.error("guard_missing", extra={"guard": finding.guard, "fault": finding.fault})
    refusal = found.refusal(strict=database.settings.strict)
    if refusal is not None:
        raise refusal
