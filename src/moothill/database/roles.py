"""The roles of Moothill. None has BYPASSRLS, none that serves owns anything.

| role | login | what for |
|---|---|---|
| moothill_owner | no | owns every table; bound by FORCE ROW LEVEL SECURITY like everybody |
| moothill_migrator | yes | may become moothill_owner; migrations only |
| moothill_app | yes | every operation |
| moothill_readonly, moothill_auditor | no | grant them to people |
| moothill_sql | yes | SQL that agents wrote: reads what is granted to it, in the tenant that it proves |
| moothill_search, _gate, _relay, _jobs, _privacy | no | each owns a few listed functions with explicit policies |
"""

import hashlib
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager

import psycopg
from psycopg import AsyncConnection, sql

from ..kernel.errors import Forbidden, Invalid
from ..kernel.settings import Settings
from .address import connection_string, unreachable

__all__ = ["DEFINERS", "ROLES", "SERVING", "UNTRUSTED", "bootstrap", "edition", "role_statements"]

DEFINERS = ("moothill_search", "moothill_gate", "moothill_relay", "moothill_jobs", "moothill_privacy")
SERVING = ("moothill_app", "moothill_readonly", "moothill_auditor")
UNTRUSTED = "moothill_sql"
LOGINS = ("moothill_app", "moothill_migrator", UNTRUSTED)
ROLES = ("moothill_owner", "moothill_migrator", *SERVING, UNTRUSTED, *DEFINERS)

# What a statement of an agent may use up. The last two are a superuser's to set; without one they stay out.
_UNTRUSTED_CONNECTIONS = 20
_UNTRUSTED_SETTINGS = {
    "search_path": "pg_catalog",
    "default_transaction_read_only": "on",
    "statement_timeout": "10s",
    "lock_timeout": "2s",
    "idle_in_transaction_session_timeout": "10s",
    "work_mem": "4MB",
    "hash_mem_multiplier": "1",
    "max_parallel_workers_per_gather": "0",
    "jit": "off",
    "plan_cache_mode": "force_generic_plan",
    "standard_conforming_strings": "on",
}
_UNTRUSTED_SUPERUSER_SETTINGS = {"temp_file_limit": "64MB", "track_activities": "off"}

# Changing one role from two sides at once fails; who comes second waits.
_LOCK = 0x726F6C65
_CREATE = """do $$ begin
  create role {role} {attributes} nosuperuser nocreatedb nocreaterole nobypassrls noreplication;
exception when duplicate_object or unique_violation then null; end $$"""
_WHERE_ALLOWED = """do $$ begin
  {statement};
exception when insufficient_privilege then null; end $$"""


class NotASuperuser(Forbidden):
    """This role may not make roles and databases; give the DSN of a superuser, or let a DBA run `moothill db roles`."""


def role_statements(database: str) -> Iterator[str]:
    """The statements that make the roles and open `database` to them, without passwords.

    They may run again at any time. A DBA who runs them by hand adds `\\password` for the three logins.
    """
    for role in ROLES:
        login = "login" if role in LOGINS else "nologin"
        yield _CREATE.format(role=role, attributes=f"{login} noinherit" if role == "moothill_migrator" else login)
    yield "grant moothill_owner to moothill_migrator with inherit false, set true"
    for role in DEFINERS:
        yield f"grant {role} to moothill_owner with inherit false, set true"
    name = sql.Identifier(database).as_string()
    yield f"revoke all on database {name} from public"
    yield f"grant create, connect, temporary on database {name} to moothill_owner"
    for role in ("moothill_migrator", *SERVING):
        yield f"grant connect on database {name} to {role}"
        yield f"alter role {role} in database {name} set search_path = moothill, public"
    yield f"alter role moothill_app in database {name} set idle_in_transaction_session_timeout = '60s'"
    yield f"alter role moothill_app in database {name} set citus.propagate_set_commands = 'local'"
    yield f"grant connect on database {name} to {UNTRUSTED}"
    yield f"alter role {UNTRUSTED} connection limit {_UNTRUSTED_CONNECTIONS}"
    for setting, value in _UNTRUSTED_SETTINGS.items():
        yield f"alter role {UNTRUSTED} in database {name} set {setting} = '{value}'"
    for setting, value in _UNTRUSTED_SUPERUSER_SETTINGS.items():
        statement = f"alter role {UNTRUSTED} in database {name} set {setting} = '{value}'"
        yield _WHERE_ALLOWED.format(statement=statement)


def edition() -> str:
    """Changes when the roles do: a database that was prepared under another edition is prepared again."""
    return hashlib.sha256("\n".join(role_statements("moothill")).encode()).hexdigest()


async def bootstrap(
    admin_dsn: str,
    database: str,
    *,
    app_password: str,
    migrator_password: str,
    sql_password: str | None = None,
    settings: Settings | None = None,
) -> None:
    """Make the database, the extension and the roles; safe to run again.

    Args:
        admin_dsn: a superuser's, or that of a role with CREATEROLE and CREATEDB where the
            extension `vector` is installed already.
        database: name of the database to make.
        app_password: password of moothill_app; it travels as a SCRAM verifier.
        migrator_password: password of moothill_migrator; likewise.
        sql_password: password of moothill_sql; without one it keeps the one it has, or cannot log in.
        settings: how to connect; by default nothing from the environment.

    Raises:
        DatabaseUnreachable: nobody answers, or the password is wrong.
        NotASuperuser: the role may not do this.
        Invalid: the server has no pgvector, or is too old.
    """
    passwords = {"moothill_app": app_password, "moothill_migrator": migrator_password}
    if sql_password is not None:
        passwords[UNTRUSTED] = sql_password
    try:
        async with _administrator(admin_dsn, settings) as admin:
            await _make_roles(admin, database, passwords)
        async with _administrator(admin_dsn, settings, database) as admin:
            await _make_extension(admin)
    except psycopg.errors.InsufficientPrivilege:
        raise NotASuperuser() from None


@asynccontextmanager
async def _administrator(
    dsn: str, settings: Settings | None, database: str | None = None
) -> AsyncIterator[AsyncConnection]:
    conninfo = connection_string(dsn, settings or Settings(), purpose="roles", database=database)
    try:
        connecting = await AsyncConnection.connect(conninfo, autocommit=True)
    except psycopg.OperationalError as error:
        raise unreachable(error) from None
    async with connecting as admin:
        yield admin


async def _make_roles(admin: AsyncConnection, database: str, passwords: Mapping[str, str]) -> None:
    if admin.info.server_version < 160000:
        raise Invalid(f"PostgreSQL {admin.info.server_version // 10000} is too old; Moothill needs 16, 17 or 18.")
    await admin.execute("select pg_advisory_lock(%s)", [_LOCK])
    exists = await (await admin.execute("select 1 from pg_database where datname = %s", [database])).fetchone()
    if not exists:
        await admin.execute(sql.SQL("create database {}").format(sql.Identifier(database)))
    for statement in role_statements(database):
        await admin.execute(statement)
    for role, password in passwords.items():
        # The verifier, not the password: statements are logged.
        verifier = admin.pgconn.encrypt_password(password.encode(), role.encode(), b"scram-sha-256")
        await admin.execute(
            sql.SQL("alter role {} password {}").format(sql.Identifier(role), sql.Literal(verifier.decode()))
        )


async def _make_extension(admin: AsyncConnection) -> None:
    # Locks are of a database: whoever comes at once comes to this one too.
    await admin.execute("select pg_advisory_lock(%s)", [_LOCK])
    try:
        await admin.execute("create extension if not exists vector schema public")
    except (psycopg.errors.UndefinedFile, psycopg.errors.FeatureNotSupported):
        raise Invalid("This server has no pgvector; install version 0.8 or later and try again.") from None
    await admin.execute("revoke create on schema public from public")
    await admin.execute("grant usage on schema public to public")
