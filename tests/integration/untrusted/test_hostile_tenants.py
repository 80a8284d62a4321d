"""Two tenants that wish each other ill: at every door, on one connection, and with statements made at random."""

import asyncio
import json
import random
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest
import pytest_asyncio
from pydantic import SecretStr

from moothill.database.embedded import EmbeddedServer
from moothill.database.untrusted import TENANT
from moothill.kernel.errors import MoothillError
from moothill.kernel.service import REGISTRY
from moothill.kernel.settings import Settings
from moothill.moot import Moot
from moothill.tenancy.untrusted import grammar
from moothill.tenancy.untrusted.errors import ParameterMissing, SqlRefused
from moothill.tenancy.untrusted.writing import check
from tests.conftest import DATABASE, MootFactory
from tests.contract.adapters import DOORS, Outcome, Site
from tests.contract.cases import Case
from tests.integration.untrusted.conftest import WithSettings
from tests.integration.untrusted.statements import Maker
from tests.serving import Live, serving
from tests.unit.test_sql_of_agents import SHAPES, TRICKS, WORDS

# Asked by both, with the other's words, ids and token in it.
QUESTIONS = (
    "select * from agents",
    "select * from capabilities",
    "select * from agent_tags",
    "select * from agent_skills",
    "select * from capability_labels",
    "select * from capability_evidence",
    "select * from v_active_agents",
    "select * from agent_capability_summary",
    "select a.name, c.name from agents a cross join capabilities c",
    "select count(*), string_agg(name, ',') from agents",
    "select * from agents where id = '{agent}'",
    "select * from agents where name like '%{marker}%' or true",
    "select name from agents union all select name from v_active_agents",
    "with a as (table agents) select (select string_agg(name, '') from a), * from a",
    "select case when name like '%{marker}%' then 1 / 0 end from agents",
    "select name::int from agents where name like '%{marker}%'",
)


@dataclass(frozen=True)
class Foe:
    """One of the two: his tenant, a word that only his rows hold, and a key that may ask in SQL and nothing else."""

    moot: Moot
    marker: str
    agent: str
    key: str


@pytest_asyncio.fixture(scope="session")
async def live(server: EmbeddedServer, settings: Settings) -> AsyncIterator[Live]:
    """A server on the shared database."""
    changes = {"rate_limit": 1_000_000, "sql_dsn": SecretStr(server.dsn("sql", DATABASE))}
    async with serving(server.dsn("app", DATABASE), settings.model_copy(update=changes)) as running:
        yield running


@pytest_asyncio.fixture
async def foes(live: Live, moot_factory: MootFactory) -> tuple[Foe, Foe]:
    """Two tenants with rows in every relation that can be asked."""
    made = []
    for word in ("amber", "basalt"):
        moot, marker = await moot_factory(), f"{word}{uuid.uuid4().hex[:8]}"
        agent = await moot.agents.register(agent_id="ada", name=f"Ada {marker}", tags=[marker], capabilities=[marker])
        made.append(Foe(moot, marker, str(agent.id), await live.key(moot, "sql:read", agent="ada")))
    return made[0], made[1]


@pytest.mark.parametrize("door", DOORS)
async def test_neither_sees_the_other_at_the(
    live: Live, foes: tuple[Foe, Foe], server: EmbeddedServer, door: str
) -> None:
    """A17, A22, B30: the same statements, asked by both with each other's words, show each his own rows only."""
    query = REGISTRY["sql.query"]
    site = Site(live, live.moot, server.dsn("app", DATABASE), {True: foes[0].key, False: foes[1].key})
    async with DOORS[door](site) as adapter:
        for number, question in enumerate(QUESTIONS):
            for me, foe, first in ((foes[0], foes[1], True), (foes[1], foes[0], False)):
                text = question.format(marker=foe.marker, agent=foe.agent)
                outcome = await adapter.call(query, Case("q", {"text": text}, scoped=first))
                _his_own(outcome, me, foe, text, plain=number < 10)
        for trick in ("setting", "the keys", "a table of the system", "reading settings", "a write in WITH"):
            outcome = await adapter.call(query, Case("q", {"text": TRICKS[trick][0]}))
            assert outcome.problem is not None
            assert outcome.problem["code"] == "sql_refused"
        schemas = [await adapter.call(REGISTRY["sql.schema"], Case("s", {}, scoped=scoped)) for scoped in (True, False)]
        assert schemas[0] == schemas[1]


def _his_own(outcome: Outcome, me: Foe, foe: Foe, text: str, *, plain: bool) -> None:
    said = json.dumps([outcome.result, outcome.problem]).replace(text, "")
    assert foe.marker not in said
    assert foe.agent not in said
    if plain:
        assert outcome.result is not None, outcome.problem
    if plain and not any(empty in text for empty in ("agent_skills", "capability_evidence")):
        assert me.marker in said or me.agent in said or "cross join" in text, text


async def test_on_one_connection_nothing_crosses(with_settings: WithSettings, foes: tuple[Foe, Foe]) -> None:
    """A39: plans that are kept, and tokens that were shown, are of one transaction."""
    moot = await with_settings(sql_pool_max=1, tenant_share=1.0)
    moots = [moot.with_key(foe.key) for foe in foes]
    texts = ("select name from agents", "select name from agents where name <> :x", "select tag from agent_tags")

    async def ask(number: int) -> None:
        which = number % 2
        text = texts[number % 3]
        parameters = {"x": f"x{number}"} if ":x" in text else None
        rows = (await moots[which].sql.query(text=text, parameters=parameters)).rows  # type: ignore[arg-type]
        assert len(rows) == 1
        assert foes[which].marker in str(rows[0][0])

    numbers = list(range(200))
    random.shuffle(numbers)
    await asyncio.gather(*(ask(number) for number in numbers))


async def test_a_denial_is_logged_and_names_no_value(foes: tuple[Foe, Foe]) -> None:
    me, foe = foes
    secret = "a-secret-that-nobody-should-read"
    for text in (
        f"select pg_sleep(10) where '{secret}' = name",
        f"select '{secret}' from tenants",
        f"delete from agents where name = '{secret}'",
        f"select '{secret}",
        f"select '{secret}'::regclass",
    ):
        with pytest.raises(SqlRefused):
            await me.moot.sql.query(text=text)
    events = (await me.moot.events.list(kind="operations.")).items
    assert [(each.payload["rule"], each.payload["part"]) for each in events] == [
        ("function", "pg_sleep"),
        ("relation", "tenants"),
        ("one_query", "DELETE"),
        ("syntax", "This text"),
        ("type", "This type"),
    ]
    assert {each.payload["operation"] for each in events} == {"sql.query"}
    assert secret not in "".join(each.model_dump_json() for each in events)
    assert (await foe.moot.events.list(kind="operations.")).items == []


async def test_a_platform_s_key_that_asks_elsewhere_leaves_its_trace(live: Live, foes: tuple[Foe, Foe]) -> None:
    """Who comes from outside is in the tenant's access log, with the rows that went out."""
    here, there = foes
    visitor = here.moot.with_key(await live.key(here.moot, "sql:read", "platform:*"))
    slug = (await there.moot.keys.current()).tenant_slug
    assert (await visitor.tenant(slug).sql.query(text="select name from agents")).rows == [[f"Ada {there.marker}"]]
    (entry,) = (await there.moot.sharing.accesses()).items
    assert (entry.operation, entry.data_class, entry.rows) == ("sql.query", "sql", 1)


async def test_who_lacks_the_scope_asks_nothing(live: Live, foes: tuple[Foe, Foe]) -> None:
    weak = foes[0].moot.with_key(await live.key(foes[0].moot, "agents:read"))
    for call in (weak.sql.query(text="select 1"), weak.sql.schema()):
        with pytest.raises(MoothillError) as caught:
            await call
        assert caught.value.code == "missing_scope"


async def test_statements_made_at_random_reach_nothing_else(server: EmbeddedServer, platform: Moot) -> None:
    """A17: whatever is accepted, the server's own plan of it names the allowed relations and functions alone."""
    relations = {each.name: [column.name for column in each.columns] for each in await platform.sql.schema()}
    chance = random.Random(20_261_121)
    malicious, planned, refused = Maker(chance, relations, malice=0.05), 0, 0
    async with await psycopg.AsyncConnection.connect(server.dsn("admin", DATABASE), autocommit=True) as admin:
        for number in range(1_500):
            text = malicious.query()
            if number % 3 == 0:
                text = chance.choice(SHAPES).format(" ".join(chance.choices(WORDS, k=chance.randrange(1, 12))), "1")
            try:
                made = check(text, {"a": "integer"} if ":a" in text else {}, relations)
            except (SqlRefused, ParameterMissing):
                refused += 1
                continue
            nobody = f"'{uuid.UUID(int=0)}'::uuid"
            try:
                cursor = await admin.execute(
                    f"explain (verbose, generic_plan, format json) {made.text.replace(TENANT, nobody)}".encode()
                )
            except psycopg.Error as error:
                assert error.sqlstate is not None
                assert error.sqlstate[:2] in ("22", "42", "21", "0A"), (text, error)
                assert not str(error).startswith("relation"), (text, error)
                continue
            planned += 1
            row = await cursor.fetchone()
            assert row is not None
            for node in _nodes(row[0][0]["Plan"]):
                if "Relation Name" in node:
                    assert (node["Schema"], node["Relation Name"]) in {("moothill", name) for name in relations}, text
                if "Function Name" in node:
                    assert (node["Schema"], node["Function Name"]) in {("pg_catalog", name) for name in grammar.SETS}
    assert planned > 200
    assert refused > 200


def _nodes(plan: dict[str, Any]) -> list[dict[str, Any]]:
    return [plan, *(node for child in plan.get("Plans", []) for node in _nodes(child))]


async def test_every_allowed_function_is_harmless_under_every_signature(server: EmbeddedServer, platform: Moot) -> None:
    """It is in the catalog, changes nothing, is no reader of relations, and gives rows only where that is said."""
    async with await psycopg.AsyncConnection.connect(server.dsn("admin", DATABASE), autocommit=True) as admin:
        cursor = await admin.execute(
            "select proname::text, provolatile::text, prosecdef, proretset, proargtypes::regtype[]::text[] "
            "from pg_proc where pronamespace = 'pg_catalog'::regnamespace and proname = any(%s)",
            [list(grammar.FUNCTIONS)],
        )
        found = await cursor.fetchall()
    # What is grammar to the server, not a function.
    assert grammar.FUNCTIONS - {row[0] for row in found} <= {"coalesce", "nullif", "greatest", "least", "row"}
    for name, volatility, definer, gives_rows, arguments in found:
        assert volatility in "is", name
        assert not definer, name
        assert gives_rows == (name in grammar.SETS), name
        # No text that is looked up as a name, or run.
        assert not {"regclass", "regproc", "regprocedure", "regrole", "regnamespace", "refcursor"} & set(arguments), (
            name
        )


async def test_a_row_can_be_given_to_no_other_function_by_a_dot(server: EmbeddedServer, platform: Moot) -> None:
    """`a.name` is `name(a)` to the server where no column has that name: what takes a row changes nothing."""
    async with await psycopg.AsyncConnection.connect(server.dsn("admin", DATABASE), autocommit=True) as admin:
        cursor = await admin.execute(
            "select proname::text, provolatile::text from pg_proc where pronamespace = 'pg_catalog'::regnamespace "
            "and pronargs - pronargdefaults <= 1 and pronargs >= 1 and left(proname, 3) <> 'pg_' "
            "and proargtypes[0] in (select oid from pg_type where typtype = 'p' and typname "
            "in ('any', 'anyelement', 'anynonarray', 'anycompatible', 'anycompatiblenonarray', 'record')) "
        )
        found = await cursor.fetchall()
    assert len(found) > 10
    assert [name for name, volatility in found if volatility == "v"] == []
