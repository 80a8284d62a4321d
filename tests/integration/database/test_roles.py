"""Making roles and the database: again, at once, without the rights, on a server that is not fit."""

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import psycopg
import pytest
import pytest_asyncio

from moothill.database.address import DatabaseUnreachable
from moothill.database.embedded import EmbeddedServer
from moothill.database.roles import NotASuperuser, bootstrap, role_statements
from moothill.kernel.errors import Invalid
from moothill.moot import Moot
from tests.conftest import DATABASE
from tests.integration.database.conftest import administrator, scalar


async def make(server: EmbeddedServer, database: str, dsn: str | None = None) -> None:
    await bootstrap(
        dsn or server.dsn("admin"),
        database,
        app_password=server.password("app"),
        migrator_password=server.password("migrator"),
    )


@pytest_asyncio.fixture
async def name(server: EmbeddedServer) -> AsyncIterator[str]:
    """The name of a database that is not there yet; it is dropped afterwards."""
    chosen = f"roles_{uuid4().hex[:12]}"
    yield chosen
    async with administrator(server, "postgres") as admin:
        await admin.execute(f'drop database if exists "{chosen}" with (force)'.encode())


async def test_many_may_make_them_at_once_and_again(server: EmbeddedServer, name: str) -> None:
    await asyncio.gather(*(make(server, name) for _ in range(4)))
    await make(server, name)
    async with administrator(server, name) as admin:
        assert await scalar(admin, "select count(*) from pg_extension where extname = 'vector'") == 1
        powers = "select count(*) from pg_roles where rolname like 'moothill%%' and (rolsuper or rolbypassrls)"
        assert await scalar(admin, powers) == 0


async def test_a_password_reaches_the_server_only_as_a_verifier(server: EmbeddedServer, platform: Moot) -> None:
    """C26: statements are logged."""
    async with administrator(server) as admin:
        await admin.execute("set log_statement = 'all'")
        stored = await scalar(admin, "select rolpassword from pg_authid where rolname = 'moothill_app'")
    assert stored.startswith("SCRAM-SHA-256$")
    assert server.password("app") not in "".join(role_statements(DATABASE))


async def test_who_may_not_make_roles_is_told(server: EmbeddedServer, name: str, platform: Moot) -> None:
    with pytest.raises(NotASuperuser):
        await make(server, name, server.dsn("app", DATABASE))


async def test_nobody_at_the_address_is_told(server: EmbeddedServer, name: str) -> None:
    with pytest.raises(DatabaseUnreachable):
        await make(server, name, "host=127.0.0.1 port=1 user=postgres")


async def test_a_server_that_is_too_old_is_refused(
    server: EmbeddedServer, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(psycopg.ConnectionInfo, "server_version", property(lambda _: 150_014))
    with pytest.raises(Invalid, match="PostgreSQL 15 is too old"):
        await make(server, name)


async def test_a_server_without_pgvector_is_told(server: EmbeddedServer, name: str) -> None:
    async with administrator(server, "postgres") as admin:
        await admin.execute(f'create database "{name}"'.encode())
    async with administrator(server, name) as admin:
        await admin.execute(
            "create function public.refuse() returns event_trigger language plpgsql as "
            "$$ begin raise exception 'not here' using errcode = 'feature_not_supported'; end $$"
        )
        await admin.execute(
            "create event trigger refuse on ddl_command_start when tag in ('CREATE EXTENSION') "
            "execute function public.refuse()"
        )
    with pytest.raises(Invalid, match="pgvector"):
        await make(server, name)
