"""Side channels: what another tenant has costs a question exactly the work that nothing costs.

No clock is looked at. The statements of an operation are noted; each is run again under EXPLAIN (ANALYZE, BUFFERS) as
the application's role in the asking tenant, and its plan, its rows and the pages it looked at are compared.
"""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from decimal import Decimal
from typing import Any
from uuid import UUID

import psycopg
import pytest
import pytest_asyncio

from moothill.database.embedded import EmbeddedServer
from moothill.database.transaction import PooledTransaction
from moothill.kernel.errors import MoothillError
from moothill.kernel.identifiers import uuid7
from moothill.kernel.settings import Settings
from moothill.moot import Moot
from moothill.registry.agents.formats.entry import CapabilityEntry, CatalogueEntry
from moothill.registry.relationships import NewRelationship
from moothill.registry.search import SearchFilters, SearchGraph
from moothill.registry.search.providers import providers_of
from moothill.session import open_database
from tests.conftest import cloned

# Enough that indexes have more than one level, and their words' lists pages of their own.
AGENTS = 400
SECRET = "zephyr"

Asked = list[tuple[str, Mapping[str, Any]]]


class Ground:
    """Two tenants in a database of their own; what the first one asks is noted."""

    def __init__(self, platform: Moot, slug: str, tenant: UUID, dsn: str) -> None:
        self.platform = platform
        self.ours = platform.tenant(slug)
        self.tenant = tenant
        self.dsn = dsn
        self.hidden: dict[str, Any] = {}

    async def noted(self, monkeypatch: pytest.MonkeyPatch, ask: Callable[[], Awaitable[Any]]) -> Asked:
        """The statements of a call that may fail."""
        asked: Asked = []
        # Which model answers is asked now and then; here, each time.
        providers_of(self.platform.executor).forget(self.tenant)
        fetch = PooledTransaction._fetch

        async def noting(unit: PooledTransaction, sql: str, parameters: Mapping[str, Any]) -> Any:
            asked.append((sql, parameters))
            return await fetch(unit, sql, parameters)

        with monkeypatch.context() as patched:
            patched.setattr(PooledTransaction, "_fetch", noting)
            try:
                await ask()
            except MoothillError as error:
                assert error.kind == "not_found"
        return asked

    async def work(self, asked: Asked) -> list[tuple[str, Any]]:
        """What each statement does: its plan with rows, and the pages it looks at."""
        done: list[tuple[str, Any]] = []
        async with await psycopg.AsyncConnection.connect(self.dsn, autocommit=True) as connection:
            await connection.execute("set search_path = moothill, public")
            for sql, parameters in asked:
                await connection.execute("begin")
                await connection.execute("select mt.set_context(%s, %s, 'operator', 60000)", [self.tenant, self.tenant])
                found: Any = None
                # The first time fills the caches of the session.
                for _ in range(2):
                    cursor = await connection.execute(
                        b"explain (analyze, buffers, timing off, summary off, format json) "
                        + sql.rstrip().rstrip(";").encode(),
                        dict(parameters),
                    )
                    (found,) = await cursor.fetchone() or (None,)
                await connection.execute("rollback")
                plan = (found if isinstance(found, list) else json.loads(found))[0]["Plan"]
                done.append((shape(plan), plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]))
        return done


def shape(plan: Mapping[str, Any]) -> str:
    """A plan as text: its nodes with the rows that came out of them."""
    inner = ", ".join(shape(each) for each in plan.get("Plans", []))
    return f"{plan['Node Type']} {plan.get('Index Name', '')} {plan['Actual Rows'] * plan['Actual Loops']:g} ({inner})"


@pytest_asyncio.fixture(scope="module")
async def ground(server: EmbeddedServer) -> AsyncIterator[Ground]:
    """Both tenants have as many agents; only the other one's say the secret word and are connected."""
    async with cloned(server, "same_work") as name:
        dsn, admin = server.dsn("app", name), server.dsn("admin", name)
        platform = await open_database(dsn, Settings.load({}, record_searches=False), "default", create=True)
        made: dict[str, Ground] = {}
        try:
            for slug in ("ours", "theirs"):
                tenant = await platform.tenants.create(slug=slug, name=slug)
                made[slug] = Ground(platform, slug, tenant.id, dsn)
                said = SECRET if slug == "theirs" else "breeze"
                entries = [
                    CatalogueEntry(
                        agent_id=f"{slug}-{n}",
                        name=f"{said} {n}",
                        description=f"Speaks of {said}.",
                        capabilities=(CapabilityEntry(name=f"{said} making {n}"),) if n < 5 else (),
                    )
                    for n in range(AGENTS)
                ]
                await made[slug].ours.agents.load(entries=entries)
            ours, theirs = made["ours"], made["theirs"]
            await theirs.ours.relationships.load(
                relationships=[
                    NewRelationship(
                        source="theirs-0", target=f"theirs-{n}", type="SIMILAR_TO", confidence=Decimal("0.9")
                    )
                    for n in range(1, 50)
                ]
            )
            agent = await theirs.ours.agents.get(agent="theirs-0")
            edge = (await theirs.ours.relationships.list(limit=1)).items[0]
            able = (await theirs.ours.capabilities.list(limit=1)).items[0]
            ours.hidden = {
                "agent": str(agent.id), "key": "theirs-0", "edge": edge.id, "capability": str(able.id), "word": SECRET,
            }  # fmt: skip
            async with await psycopg.AsyncConnection.connect(admin, autocommit=True) as connection:
                await connection.execute("vacuum analyze")
            yield ours
        finally:
            await platform.close()


# As long as what is hidden, of as many different letters, and at the same place of the alphabet: what a question costs
# may follow from itself and from what the asking tenant has.
MISSING: dict[str, Any] = {"agent": str(uuid7()), "key": "theirs-x", "edge": uuid7(), "capability": str(uuid7()),
                           "word": "zaphod"}  # fmt: skip

QUESTIONS: dict[str, Callable[[Moot, Mapping[str, Any]], Awaitable[Any]]] = {
    "an agent by id": lambda moot, of: moot.agents.get(agent=of["agent"]),
    "an agent by key": lambda moot, of: moot.agents.get(agent=of["key"]),
    "a capability": lambda moot, of: moot.capabilities.get(capability=of["capability"]),
    "a relationship": lambda moot, of: moot.relationships.get(relationship=of["edge"]),
    "relationships of an agent": lambda moot, of: moot.relationships.list(filter={"agent": of["key"]}),  # type: ignore[arg-type]
    "a traversal": lambda moot, of: moot.graph.traverse(agent=of["agent"], hops=3),
    "a path": lambda moot, of: moot.graph.path(source="ours-1", target=of["agent"], hops=5),
    "a search within an agent": lambda moot, of: moot.search.find(
        text="breeze", mode="text", filters=SearchFilters(agent=of["key"])
    ),
    "a search by words": lambda moot, of: moot.search.find(text=of["word"], mode="text"),
    "a search by words and relationships": lambda moot, of: moot.search.find(
        text=f"{of['word']} breeze", mode="text", graph=SearchGraph()
    ),
}


@pytest.mark.parametrize("question", sorted(QUESTIONS))
async def test_what_another_tenant_has_takes_the_same_work_as_what_nobody_has(
    ground: Ground, monkeypatch: pytest.MonkeyPatch, question: str
) -> None:
    """A22: neither an answer nor its price says that another tenant has a thing."""
    ask = QUESTIONS[question]
    hidden = await ground.noted(monkeypatch, lambda: ask(ground.ours, ground.hidden))
    missing = await ground.noted(monkeypatch, lambda: ask(ground.ours, MISSING))
    assert hidden
    assert [sql for sql, _ in hidden] == [sql for sql, _ in missing]
    assert await ground.work(hidden) == await ground.work(missing)
