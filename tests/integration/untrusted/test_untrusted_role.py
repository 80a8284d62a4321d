"""The role itself, logged in with nothing in between: what it is refused, and tokens that are used twice."""

from typing import Any

import psycopg
import pytest

from moothill.database.control import make_context_key
from moothill.database.embedded import EmbeddedServer
from moothill.moot import Moot
from tests.conftest import DATABASE
from tests.integration.isolation.proofs import Token, grant_for
from tests.integration.untrusted.conftest import Login

Connection = psycopg.AsyncConnection[Any]
PROVED = "select mt.proved_tenant()"
WHERE = "select pg_backend_pid(), (extract(epoch from transaction_timestamp()) * 1000000)::bigint"


async def one(connection: Connection, statement: str, *values: Any) -> Any:
    row = await (await connection.execute(statement, values or None)).fetchone()
    assert row is not None
    return row[0] if len(row) == 1 else row


async def parts(connection: Connection, moot: Moot, *, lives: int = 60) -> Token:
    """A token of the transaction that is open on a connection, signed by the standard library."""
    assert moot.session is not None
    assert moot.session.database is not None
    identity = await moot.keys.current()
    key = await make_context_key(moot.session.database)
    backend, began = await one(connection, WHERE)
    expiry, secret = began // 1_000_000 + lives, bytes(key["secret"])
    return Token(key["number"], str(identity.tenant), str(identity.actor_id), expiry, backend, began, secret)


async def token(connection: Connection, moot: Moot, *, lives: int = 60) -> str:
    """The same as a text."""
    return str(await parts(connection, moot, lives=lives))


async def show(connection: Connection, text: str) -> Any:
    """The tenant that a text proves in this transaction."""
    await connection.execute("select set_config('app.context_token', %s, true)", [text])
    return await one(connection, PROVED)


async def test_a_token_proves_its_tenant_and_the_database_s_hash_is_the_standard_one(
    society: Moot, login: Login
) -> None:
    tenant = (await society.keys.current()).tenant
    async with login() as connection, connection.transaction():
        assert await show(connection, await token(connection, society)) == tenant
        assert await one(connection, "select count(*) from moothill.agents") == 3


async def test_a_token_is_of_one_transaction_and_one_backend(society: Moot, login: Login) -> None:
    """A replay in the next transaction, or beside it in another session, proves nothing."""
    async with login() as first, login() as second:
        async with first.transaction():
            made = await token(first, society)
            assert await show(first, made) is not None
            async with second.transaction():
                assert await show(second, made) is None
                assert await one(second, "select count(*) from moothill.agents") == 0
        assert await one(first, PROVED) is None
        async with first.transaction():
            assert await show(first, made) is None
            assert await one(first, "select count(*) from moothill.agents") == 0
        # Left behind by a session-level SET, against all rules, it proves nothing either.
        await first.execute("select set_config('app.context_token', %s, false)", [made])
        assert await one(first, "select count(*) from moothill.agents") == 0


async def test_a_statement_sees_its_token_and_never_the_grant(society: Moot, login: Login) -> None:
    """What it could carry away is good for nothing elsewhere; what would be is nowhere to be read."""
    async with login() as connection, connection.transaction():
        made = grant_for(await parts(connection, society))
        entered = await one(connection, "select moothill.sql_enter(%s, 5000)", made)
        assert entered == (await society.keys.current()).tenant
        assert await one(connection, "select count(*) from moothill.agents") == 3
        seen = await one(connection, "select current_setting('app.context_token')")
        assert seen.startswith(made.rpartition(".")[0])
        assert made.rpartition(".")[2] not in seen
        # Nor does the token open the door to another transaction, as a token or as a grant.
        async with login() as next_one, next_one.transaction():
            assert await show(next_one, seen) is None
            assert await one(next_one, "select moothill.sql_enter(%s, 5000)", seen) is None
        said = await (await connection.execute("select * from pg_stat_activity")).fetchall()
        assert made.rpartition(".")[2] not in str(said)


async def test_a_token_that_has_expired_proves_nothing(society: Moot, login: Login) -> None:
    async with login() as connection, connection.transaction():
        assert await show(connection, await token(connection, society, lives=-1)) is None
        assert await show(connection, await token(connection, society, lives=5)) is not None


async def test_a_key_that_has_expired_proves_nothing(society: Moot, login: Login, server: EmbeddedServer) -> None:
    async with login() as connection, connection.transaction():
        made = await token(connection, society)
        assert await show(connection, made) is not None
        async with await psycopg.AsyncConnection.connect(server.dsn("admin", DATABASE), autocommit=True) as admin:
            number = made.partition(".")[0]
            ended = "update moothill.context_keys set expires_at = now() - interval '1 s' where number::text = %s"
            await admin.execute(ended, [number])
        assert await show(connection, made) is None
    assert society.session is not None
    assert society.session.database is not None
    await make_context_key(society.session.database)
    async with await psycopg.AsyncConnection.connect(server.dsn("admin", DATABASE), autocommit=True) as admin:
        left = "select count(*) from moothill.context_keys where expires_at < now()"
        assert await one(admin, left) == 0


async def test_a_plan_that_is_kept_asks_for_the_proof_each_time(society: Moot, other: Moot, login: Login) -> None:
    """A39: three tenants in turn, and none, over one prepared statement."""
    async with login() as connection:
        await connection.execute("set plan_cache_mode = force_generic_plan")
        counted = []
        for moot in (society, other, None, society, None, other):
            async with connection.transaction():
                await show(connection, await token(connection, moot) if moot else "")
                cursor = await connection.execute("select count(*) from moothill.agents", prepare=True)
                counted.append((await cursor.fetchall())[0][0])
        assert counted == [3, 0, 0, 3, 0, 0]


@pytest.mark.parametrize(
    "statement",
    [
        "select * from moothill.context_keys",
        "select * from moothill.gate_context_key()",
        "select * from moothill.api_keys",
        "select * from moothill.events",
        "select config from moothill.agents",
        "select * from moothill.agents",
        "select mt.set_context(null, null, 'system', 1)",
        "insert into moothill.agent_tags values (gen_random_uuid(), 'tag', 'x', gen_random_uuid())",
        "create temporary table t (a int)",
        "create table public.t (a int)",
        "set role moothill_app",
        "set session authorization moothill_app",
        "copy (select 1) to program 'true'",
        "select pg_read_file('postgresql.conf')",
        "select lo_create(0)",
        "alter role moothill_sql set statement_timeout = 0",
        "select * from pg_authid",
    ],
)
async def test_the_role_by_itself_is_refused(login: Login, statement: str) -> None:
    """A20, A21, A23: for whoever gets past the parser, the role's own rights are the next wall."""
    async with login() as connection:
        with pytest.raises((psycopg.errors.InsufficientPrivilege, psycopg.errors.ReadOnlySqlTransaction)):
            await connection.execute(statement.encode())


async def test_the_role_is_bound_in_time_memory_and_connections(login: Login) -> None:
    async with login() as connection:
        settings = {
            name: await one(connection, "select current_setting(%s)", name)
            for name in (
                "default_transaction_read_only",
                "work_mem",
                "search_path",
                "temp_file_limit",
                "track_activities",
            )
        }
        assert settings == {
            "default_transaction_read_only": "on",
            "work_mem": "4MB",
            "search_path": "pg_catalog",
            "temp_file_limit": "64MB",
            "track_activities": "off",
        }
        for name in ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"):
            assert await one(connection, "select current_setting(%s) <> '0'", name)
        assert await one(connection, "select rolconnlimit from pg_roles where rolname = 'moothill_sql'") > 0


async def test_the_role_sees_no_statement_of_others(login: Login) -> None:
    """All tenants share it, so the server would show each the statements of the others."""
    async with login() as watching, login() as asking:
        await asking.execute("select 'a word of mine'")
        seen = await (
            await watching.execute("select query from pg_stat_activity where usename = 'moothill_sql'")
        ).fetchall()
        assert len(seen) >= 2
        assert not any("a word of mine" in (row[0] or "") for row in seen)
