"""Migrations: one linear history of plain SQL pairs, applied one statement per message.

A file says in its first lines what it is:

    -- phase: pre            (pre: before the new code serves; post: after the old code is gone)
    -- transaction: none     (only where a statement cannot run in one)

Each migration commits with its row in the migrations table, so a failed one changes nothing and is
taken up again; one without a transaction records its progress and must be repeatable. A session
lock lets one runner work. Alembic was weighed and left: see docs/decisions.
"""

import hashlib
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Literal

import psycopg
from psycopg import AsyncConnection, sql

from ..kernel.errors import Conflict, Forbidden, Internal, Invalid, NotFound, Unavailable
from ..kernel.settings import Settings
from .address import connection_string, unreachable
from .splitting import Piece, read_statements

__all__ = [
    "Migration",
    "MigrationFailed",
    "MigrationState",
    "Migrator",
    "create_migration",
    "history",
]

_NAME = re.compile(r"^(\d{4})_([a-z0-9_]+)\.up\.sql$")
OWNER = "moothill_owner"
_LOCK = 0x6D6F6F74
_LOCK_TIMEOUT = "10s"

# The checklist of AGENTS.md, where whoever writes the migration sees it.
_SKELETON = """\
-- phase: pre
-- One idea: what changes, and why.
--
-- A new table, in this order; strike out what does not apply:
-- 1. create table moothill.x (tenant_id uuid not null, ..., named constraints, primary key (tenant_id, id));
--    select mt.distribute('moothill.x');  (mt.reference for a table without tenants)
-- 2. An index for every foreign key; every unique index starts with tenant_id.
-- 3. select mt.protect('moothill.x'); rows that pile up: mt.retain; columns that name agents: mt.trace;
---    contents that nobody searches: mt.seals, and a line in database/sealing/fields.py
-- 4. Grants to moothill_app, moothill_readonly and moothill_auditor: only what is used. To moothill_sql, columns
--    that agents may ask in SQL, and no secret among them.
-- 5. A comment on the table, each column and each function.
-- 6. The .down.sql undoes all of it exactly; a test compares the schema.
"""

State = Literal["applied", "pending", "changed", "unknown", "incomplete"]


class MigrationFailed(Internal):
    """A migration failed; its message says what of it stands."""


class MigrationChanged(Conflict):
    """An applied migration differs from its file; restore the file or repair the record."""


class NewerSchema(Conflict):
    """The database was migrated by a newer Moothill; upgrade this installation."""


class MigrationsLocked(Unavailable):
    """Another process is migrating this database; wait for it and try again."""


class RolesMissing(Conflict):
    """This server lacks the roles of Moothill; run `moothill db roles`."""


class NotTheMigrator(Forbidden):
    """This role may not become moothill_owner; give the DSN of moothill_migrator in MOOTHILL_MIGRATOR_DSN."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One pair of files."""

    number: int
    name: str
    up: str
    down: str

    @property
    def id(self) -> str:
        """`0007_voting`."""
        return f"{self.number:04d}_{self.name}"

    @property
    def checksum(self) -> str:
        """SHA-256 of the up file."""
        return hashlib.sha256(self.up.encode()).hexdigest()

    @property
    def phase(self) -> str:
        """pre or post."""
        return self._header("phase", "pre")

    @property
    def in_transaction(self) -> bool:
        """False for one that says `-- transaction: none`."""
        return self._header("transaction", "one") != "none"

    def _header(self, name: str, default: str) -> str:
        match = re.search(rf"^-- {name}:\s*(\w+)", self.up, re.MULTILINE)
        return match[1] if match else default


@dataclass(frozen=True, slots=True)
class MigrationState:
    """How one migration stands in a database."""

    id: str
    phase: str
    state: State
    applied_at: str | None


def history() -> list[Migration]:
    """Every migration of this installation, in order.

    Raises:
        Internal: a number is missing or twice, or a file lacks its rollback.
    """
    folder = resources.files("moothill.migrations")
    found: list[Migration] = []
    for entry in sorted(folder.iterdir(), key=lambda item: item.name):
        if match := _NAME.match(entry.name):
            down = folder / entry.name.replace(".up.sql", ".down.sql")
            if not down.is_file():
                raise Internal(f"Migration {entry.name} has no rollback file beside it.")
            found.append(
                Migration(
                    int(match[1]),
                    match[2],
                    entry.read_text(encoding="utf-8"),
                    down.read_text(encoding="utf-8"),
                )
            )
    if [migration.number for migration in found] != list(range(1, len(found) + 1)):
        raise Internal("Migration numbers must run from 0001 without gaps or doubles.")
    return found


def create_migration(folder: Path, name: str) -> tuple[Path, Path]:
    """Write the empty pair of files of the next migration.

    Raises:
        Invalid: the name is not made of lower-case letters, digits and underscores.
    """
    if not re.fullmatch(r"[a-z][a-z0-9_]{1,40}", name):
        raise Invalid("A migration's name is 2 to 41 lower-case letters, digits and underscores.", field="name")
    numbers = [int(match[1]) for path in folder.glob("*.up.sql") if (match := _NAME.match(path.name))]
    stem = f"{max(numbers, default=0) + 1:04d}_{name}"
    up, down = folder / f"{stem}.up.sql", folder / f"{stem}.down.sql"
    up.write_text(_SKELETON, encoding="utf-8")
    down.write_text("-- Restores exactly what the schema was before.\n", encoding="utf-8")
    return up, down


class Migrator:
    """Applies and rolls back, as moothill_owner.

    Args:
        dsn: of moothill_migrator, past any pooler.
        table: in which migrations are recorded.
        settings: how to connect; by default nothing from the environment.
    """

    def __init__(self, dsn: str, *, table: str = "schema_migrations", settings: Settings | None = None) -> None:
        self._dsn = dsn
        self._settings = settings or Settings()
        self._table = sql.Identifier("moothill", table)
        self._bare_table = table

    async def status(self) -> list[MigrationState]:
        """How every migration stands."""
        async with self.connection() as connection:
            applied = await self._applied(connection)
        known = history()
        states = [_state(migration, applied) for migration in known]
        ids = {migration.id for migration in known}
        states += [
            MigrationState(name, "?", "unknown", row[2]) for name, row in sorted(applied.items()) if name not in ids
        ]
        return states

    async def migrate(
        self,
        *,
        phase: str | None = None,
        to: int | None = None,
        on_progress: Callable[[str], None] | None = None,
    ) -> list[str]:
        """Apply what is pending; the ids that were applied.

        Raises:
            MigrationFailed: a statement failed; everything before its migration stands.
            MigrationChanged: an applied migration's file was edited.
            NewerSchema: the database knows migrations that this installation does not.
        """
        done: list[str] = []
        async with self.connection() as connection, self._locked(connection):
            applied = await self._applied(connection)
            known = history()
            unknown = sorted(set(applied) - {migration.id for migration in known})
            if unknown:
                raise NewerSchema(
                    f"The database holds {unknown[-1]}, which this installation does not know; upgrade it."
                )
            for migration in known:
                state = _state(migration, applied).state
                if state == "changed":
                    raise MigrationChanged(
                        f"{migration.id} was edited after it was applied; restore its file.",
                        migration=migration.id,
                    )
                if state == "applied" or (to is not None and migration.number > to):
                    continue
                if phase == "pre" and migration.phase == "post":
                    break
                await self._apply(connection, migration)
                done.append(migration.id)
                if on_progress:
                    on_progress(migration.id)
        return done

    async def rollback(self, *, steps: int = 1, on_progress: Callable[[str], None] | None = None) -> list[str]:
        """Undo the last `steps` migrations; the ids that were undone.

        Raises:
            NotFound: this installation lacks the files of one; it and those before it stand.
            MigrationFailed: a statement failed; what was undone before stays undone.
            Invalid: `steps` is less than one.
        """
        if steps < 1:
            raise Invalid(f"Roll back at least one migration, not {steps}.", field="steps")
        done: list[str] = []
        known = {migration.id: migration for migration in history()}
        async with self.connection() as connection, self._locked(connection):
            applied = await self._applied(connection)
            for name in sorted(applied, reverse=True)[:steps]:
                if name not in known:
                    raise NotFound(f"The files of {name} are not in this installation.", migration=name)
                await self._revert(connection, known[name])
                done.append(name)
                if on_progress:
                    on_progress(name)
        return done

    def script(self, migrations: list[Migration] | None = None) -> str:
        """The SQL that a DBA would run for these migrations, records included."""
        parts = [f"set role {OWNER};"]
        for migration in migrations if migrations is not None else history():
            begin, commit = ("begin;\n", "commit;\n") if migration.in_transaction else ("", "")
            record = (
                f"insert into moothill.{self._bare_table} (id, checksum, state) "  # noqa: S608  # printed, never run
                f"values ('{migration.id}', '{migration.checksum}', 'applied');"
            )
            create = "".join(f"{each};\n" for each in self._table_statements()) if migration.number == 1 else ""
            parts.append(
                f"-- {migration.id} ({migration.phase})\n{begin}{migration.up.strip()}\n{create}{record}\n{commit}"
            )
        return "\n\n".join(parts)

    async def _apply(self, connection: AsyncConnection, migration: Migration) -> None:
        record = sql.SQL(
            "insert into {} (id, checksum, state) values (%s, %s, %s) "
            "on conflict (id) do update set checksum = excluded.checksum, state = excluded.state"
        ).format(self._table)
        pieces = _pieces(migration, migration.up)
        if migration.in_transaction:
            async with _kept_whole(connection, migration):
                await self._run(connection, migration, pieces)
                if migration.number == 1:
                    for statement in self._table_statements():
                        await connection.execute(statement.encode())
                await connection.execute(record, [migration.id, migration.checksum, "applied"])
            return
        await connection.execute(record, [migration.id, migration.checksum, "incomplete"])
        await self._run(connection, migration, pieces)
        await connection.execute(record, [migration.id, migration.checksum, "applied"])

    async def _revert(self, connection: AsyncConnection, migration: Migration) -> None:
        forget = sql.SQL("delete from {} where id = %s").format(self._table)
        pieces = _pieces(migration, migration.down)
        if migration.in_transaction:
            async with _kept_whole(connection, migration):
                if migration.number > 1:
                    await connection.execute(forget, [migration.id])
                await self._run(connection, migration, pieces)
            return
        await self._run(connection, migration, pieces)
        await connection.execute(forget, [migration.id])

    async def _run(self, connection: AsyncConnection, migration: Migration, pieces: list[Piece]) -> None:
        for count, piece in enumerate(pieces):
            try:
                await connection.execute(piece.text.encode(), prepare=False)
            except psycopg.Error as error:
                position = int(error.diag.statement_position or 1) - 1
                line = piece.line + piece.text.count("\n", 0, position)
                kept = "Nothing of it was kept."
                if not migration.in_transaction:
                    kept = (
                        f"It runs outside of a transaction: {count} of its {len(pieces)} statements ran and stand. "
                        "Mend the cause and run it again; it starts at its first statement."
                    )
                raise MigrationFailed(
                    f"{migration.id} failed at line {line}: {_cause(error)}. {kept}",
                    migration=migration.id,
                    line=line,
                ) from error

    async def _applied(self, connection: AsyncConnection) -> dict[str, tuple[str, str, str]]:
        exists = await (await connection.execute("select to_regclass(%s)", [f"moothill.{self._bare_table}"])).fetchone()
        if not exists or exists[0] is None:
            return {}
        cursor = await connection.execute(
            sql.SQL("select id, checksum, state, applied_at::text from {}").format(self._table)
        )
        return {row[0]: (row[1], row[2], row[3]) for row in await cursor.fetchall()}

    def _table_statements(self) -> list[str]:
        """The record of migrations; its name is checked by the pattern of the setting."""
        name = self._bare_table
        return [
            f"create table moothill.{name} (id text primary key, checksum text not null, state text not null "
            "check (state in ('applied', 'incomplete')), applied_at timestamptz not null default now())",
            f"comment on table moothill.{name} is 'Migrations that were applied, with the checksums of their files.'",
            f"comment on column moothill.{name}.id is 'Number and name.'",
            f"comment on column moothill.{name}.checksum is 'SHA-256 of the file.'",
            f"comment on column moothill.{name}.state is 'applied, or incomplete: it broke off midway.'",
            f"comment on column moothill.{name}.applied_at is 'When it was applied.'",
            f"grant select on moothill.{name} to moothill_app, moothill_readonly",
        ]

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[AsyncConnection]:
        """A connection as moothill_owner, for what is as rare as a migration."""
        conninfo = connection_string(self._dsn, self._settings, purpose="migrator")
        try:
            connecting = await AsyncConnection.connect(conninfo, autocommit=True)
        except psycopg.OperationalError as error:
            raise unreachable(error) from None
        async with connecting as connection:
            try:
                await connection.execute(sql.SQL("set role {}").format(sql.Identifier(OWNER)))
            except psycopg.errors.InsufficientPrivilege:
                raise NotTheMigrator() from None
            except psycopg.errors.InvalidParameterValue:
                raise RolesMissing() from None
            await connection.execute("set search_path = moothill, public")
            await connection.execute("set timezone = 'UTC'")
            await connection.execute(f"set lock_timeout = '{_LOCK_TIMEOUT}'")  # a constant
            await connection.execute("set citus.multi_shard_modify_mode = 'sequential'")
            await connection.execute("set citus.enable_unsafe_triggers = on")
            yield connection

    @asynccontextmanager
    async def _locked(self, connection: AsyncConnection) -> AsyncIterator[None]:
        try:
            await connection.execute("select pg_advisory_lock(%s)", [_LOCK])
        except psycopg.errors.LockNotAvailable:
            raise MigrationsLocked() from None
        try:
            yield
        finally:
            if not connection.closed:  # the lock went with the connection
                await connection.execute("select pg_advisory_unlock(%s)", [_LOCK])


@asynccontextmanager
async def _kept_whole(connection: AsyncConnection, migration: Migration) -> AsyncIterator[None]:
    """A transaction that keeps all of a migration or nothing, also where only COMMIT finds the fault."""
    try:
        async with connection.transaction():
            yield
    except psycopg.Error as error:
        kept = "Nothing of it was kept."
        if connection.closed:
            kept = "Whether it was kept is not known; `moothill db status` tells."
        raise MigrationFailed(
            f"{migration.id} failed at its commit: {_cause(error)}. {kept}", migration=migration.id
        ) from error


def _pieces(migration: Migration, text: str) -> list[Piece]:
    """The statements of a file, all read before the first is run."""
    try:
        pieces = list(read_statements(text))
    except Invalid as error:
        raise Invalid(f"{migration.id}: {error.message}", migration=migration.id) from None
    for piece in pieces:
        if piece.controls:
            first = " ".join(piece.text.split()[:2])
            raise Invalid(
                f"{migration.id}: line {piece.line}: take out {first!r}; the migrator begins and ends the transaction, "
                "and `-- transaction: none` at the top of the file goes without one.",
                migration=migration.id,
                line=piece.line,
            )
    return pieces


def _cause(error: psycopg.Error) -> str:
    return (error.diag.message_primary or str(error)).strip().removesuffix(".")


def _state(migration: Migration, applied: dict[str, tuple[str, str, str]]) -> MigrationState:
    row = applied.get(migration.id)
    if row is None:
        return MigrationState(migration.id, migration.phase, "pending", None)
    state: State = "incomplete" if row[1] != "applied" else "applied" if row[0] == migration.checksum else "changed"
    return MigrationState(migration.id, migration.phase, state, row[2])
