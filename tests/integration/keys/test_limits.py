"""Limits of tenants: quotas that hold exactly whoever comes at once, and limits of calls over several servers."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from moothill.database.control import share_rates
from moothill.database.embedded import EmbeddedServer
from moothill.kernel.errors import Forbidden, Invalid, NotFound, QuotaExceeded
from moothill.kernel.rates import Spent, TenantRateLimited
from moothill.kernel.settings import Settings
from moothill.moot import Moot
from moothill.registry.capabilities import NewCapability
from moothill.tenancy.limits import sharing
from tests.conftest import DATABASE
from tests.serving import Live, serving

WRITERS = 16


async def used(moot: Moot, name: str) -> tuple[int, int]:
    (limit,) = [each for each in await moot.limits.list() if each.name == name]
    return limit.used, limit.remaining


async def at_once(count: int, work: Callable[[int], Awaitable[Any]]) -> list[Any]:
    """The outcomes of a work done so many times, all let go together."""
    barrier = asyncio.Barrier(count)

    async def one(number: int) -> Any:
        await barrier.wait()
        return await work(number)

    return await asyncio.gather(*(one(number) for number in range(count)), return_exceptions=True)


def refused(outcomes: list[Any]) -> int:
    """How many met the quota; anything else that went wrong is a fault."""
    failed = [each for each in outcomes if isinstance(each, BaseException)]
    assert all(isinstance(each, QuotaExceeded) for each in failed), failed
    return len(failed)


async def _registered(moot: Moot, turn: int, number: int) -> Any:
    return await moot.agents.register(name=f"a-{turn}-{number}")


@pytest.mark.parametrize("room", [1, 5, 15, 16, 17, 40])
async def test_sixteen_writers_at_the_edge_are_never_one_too_many(moot: Moot, room: int) -> None:
    """Nor one too few: what is free is given out, wherever it lies."""
    await moot.agents.register(name="first")
    await moot.limits.set(name="agents", amount=room + 1)
    came = 0
    for turn in range(3):
        outcomes = await at_once(WRITERS, partial(_registered, moot, turn))
        came += WRITERS - refused(outcomes)
    assert came == min(room, 3 * WRITERS)
    statistics = await moot.sharing.statistics()
    assert statistics.agents == came + 1
    assert await used(moot, "agents") == (came + 1, room - came)


async def test_what_goes_makes_room_for_exactly_as_much(moot: Moot) -> None:
    for number in range(10):
        await moot.agents.register(name=f"old-{number}")
    await moot.limits.set(name="agents", amount=10)
    with pytest.raises(QuotaExceeded):
        await moot.agents.register(name="one more")

    async def swap(number: int) -> Any:
        if number < 5:
            return await moot.agents.deactivate(agent=f"old-{number}")
        return await moot.agents.register(name=f"new-{number}")

    came = sum(not isinstance(each, BaseException) for each in (await at_once(WRITERS, swap))[5:])
    for number in range(20):
        try:
            await moot.agents.register(name=f"late-{number}")
        except QuotaExceeded:
            break
        came += 1
    assert came == 5
    assert await used(moot, "agents") == (10, 0)
    with pytest.raises(QuotaExceeded):
        await moot.agents.reactivate(agent="old-0")


async def test_a_refused_or_undone_write_uses_up_nothing(moot: Moot) -> None:
    await moot.limits.set(name="agents", amount=2)
    await moot.agents.register(name="Ada")
    for _ in range(20):
        with pytest.raises(Exception, match="exists already"):
            await moot.agents.register(name="Ada")
    with pytest.raises(QuotaExceeded):
        await moot.batch([moot.agents.register.call(name=f"b{n}") for n in range(2)])
    assert await used(moot, "agents") == (1, 1)
    await moot.batch([moot.agents.register.call(name="b0")])
    assert await used(moot, "agents") == (2, 0)


async def test_setting_a_quota_waits_for_who_is_writing_and_misses_nobody(moot: Moot, server: EmbeddedServer) -> None:
    """A writer that began without a limit is counted by the limit that comes while it writes."""
    async with moot.transaction():
        await moot.agents.register(name="in flight")
        setting = asyncio.create_task(_outside(moot.limits.set, name="agents", amount=1))
        await _until_somebody_waits(server)
    limit = await setting
    assert (limit.used, limit.remaining) == (1, 0)
    with pytest.raises(QuotaExceeded):
        await moot.agents.register(name="late")


async def _outside(call: Any, **arguments: Any) -> Any:
    """A call that joins no transaction of the test's own."""
    import contextvars

    return await asyncio.get_running_loop().create_task(call(**arguments), context=contextvars.Context())


async def _until_somebody_waits(server: EmbeddedServer) -> None:
    async with await psycopg.AsyncConnection.connect(server.dsn("admin", DATABASE), autocommit=True) as admin:
        async with asyncio.timeout(10):
            while True:
                found = await admin.execute("select count(*) from pg_locks where locktype = 'advisory' and not granted")
                row = await found.fetchone()
                if row is not None and row[0]:
                    return
                await asyncio.sleep(0.01)


async def test_writers_far_from_the_edge_do_not_wait_for_one_another(moot: Moot, server: EmbeddedServer) -> None:
    """As many transactions as there are parts hold something of one quota at the same time."""
    await moot.limits.set(name="agents", amount=10_000)
    tenant = (await moot.keys.current()).tenant
    inside = asyncio.Barrier(WRITERS)

    async def hold() -> None:
        async with (
            await psycopg.AsyncConnection.connect(server.dsn("app", DATABASE)) as own,
            asyncio.timeout(10),
        ):
            await own.execute("select mt.set_context(%s, %s, 'system', 5000)", [tenant, tenant])
            await own.execute("select moothill.quota_move('agents', 1)")
            await inside.wait()

    await asyncio.gather(*(hold() for _ in range(WRITERS)))
    assert await used(moot, "agents") == (WRITERS, 10_000 - WRITERS)


async def test_capabilities_are_counted_however_they_come_and_go(moot: Moot) -> None:
    await moot.agents.register(name="Ada", capabilities=["one", "two"])
    await moot.limits.set(name="capabilities", amount=7)
    many = [NewCapability(name=f"c{n}") for n in range(6)]
    with pytest.raises(QuotaExceeded, match="may have 7 capabilities and has 2, so 6 more do not fit"):
        await moot.capabilities.add(agent="ada", capabilities=many)
    added = await moot.capabilities.add(agent="ada", capabilities=many[:3])
    assert await used(moot, "capabilities") == (5, 2)
    await moot.capabilities.remove(capability=str(added[0].id))
    assert await used(moot, "capabilities") == (4, 3)
    card = {
        "name": "Card",
        "description": "A card.",
        "supportedInterfaces": [{"url": "https://x.example", "protocolBinding": "JSONRPC", "protocolVersion": "1.0"}],
        "version": "1.0",
        "capabilities": {},
        "defaultInputModes": ["text/plain"],
        "defaultOutputModes": ["text/plain"],
        "skills": [{"id": "s", "name": "Carding", "description": "d", "tags": ["t"]}],
    }
    await moot.limits.set(name="agents", amount=2)
    for _ in range(2):  # the second changes what is there, and takes nothing
        await moot.agents.load(content=json.dumps(card), format="a2a")
    assert (await used(moot, "capabilities"), await used(moot, "agents")) == ((6, 1), (2, 0))
    card["skills"] = [{"id": "s", "name": "Binding", "description": "d", "tags": ["t"]}]
    await moot.agents.load(content=json.dumps(card), format="a2a")
    assert await used(moot, "capabilities") == (6, 1)
    with pytest.raises(QuotaExceeded):
        await moot.agents.load(content=json.dumps({**card, "name": "Another"}), format="a2a")


async def test_keys_are_counted_while_they_live(moot: Moot) -> None:
    first = await moot.keys.create(name="first", scopes=["agents:read"])
    await moot.limits.set(name="keys", amount=6)
    outcomes = await at_once(WRITERS, lambda n: moot.keys.create(name=f"k{n}", scopes=["agents:read"]))
    assert refused(outcomes) == WRITERS - 5
    assert await used(moot, "keys") == (6, 0)
    await moot.keys.rotate(key=first.key.id)  # takes the place of the old one
    assert await used(moot, "keys") == (6, 0)
    with pytest.raises(QuotaExceeded, match="revoke keys that are not needed"):
        await moot.keys.create(name="k", scopes=["agents:read"])
    await moot.keys.revoke_all(everything=True)
    await moot.keys.create(name="k", scopes=["agents:read"])


async def test_events_of_a_day_are_counted_and_doors_can_still_be_closed(moot: Moot) -> None:
    issued = await moot.keys.create(name="k", scopes=["agents:read"])
    await moot.agents.register(name="Steady")
    today = (await moot.sharing.statistics()).events
    await moot.limits.set(name="events", amount=today + 5)
    outcomes = await at_once(WRITERS, lambda n: moot.agents.register(name=f"e{n}"))
    # The event that tells of the limit itself is one of those that never count.
    assert WRITERS - refused(outcomes) == 5
    with pytest.raises(QuotaExceeded, match="midnight UTC") as exceeded:
        await moot.agents.register(name="late")
    assert 0 < exceeded.value.retry_after <= 86_400
    with pytest.raises(QuotaExceeded):
        await moot.agents.heartbeat(beats=[{"agent": "steady"}])  # type: ignore[list-item]
    await moot.keys.revoke(key=issued.key.id)
    assert (await moot.keys.revoke_all(everything=True)).count == 0


async def test_the_counter_of_a_day_begins_anew_with_the_next(moot: Moot, server: EmbeddedServer) -> None:
    tenant = (await moot.keys.current()).tenant
    await moot.limits.set(name="events", amount=3)
    async with await psycopg.AsyncConnection.connect(server.dsn("admin", DATABASE), autocommit=True) as admin:
        await admin.execute(
            "update moothill.quota_shares set day = day - 1, room = 0 where tenant_id = %s and name = 'events'",
            [tenant],
        )
    assert await used(moot, "events") == (0, 3)
    outcomes = await at_once(8, lambda n: moot.agents.register(name=f"n{n}"))
    assert refused(outcomes) == 5


async def test_a_lower_limit_takes_nothing_away_and_a_cleared_one_binds_nobody(moot: Moot) -> None:
    for number in range(3):
        await moot.agents.register(name=f"a{number}")
    limit = await moot.limits.set(name="agents", amount=1)
    assert (limit.used, limit.remaining, limit.unit) == (3, 0, "stored")
    await moot.agents.deactivate(agent="a0")
    await moot.agents.deactivate(agent="a1")
    with pytest.raises(QuotaExceeded):
        await moot.agents.register(name="x")
    await moot.agents.deactivate(agent="a2")
    await moot.agents.register(name="y")
    await moot.limits.clear(name="agents")
    await moot.agents.register(name="z")
    assert await moot.limits.list() == []
    with pytest.raises(NotFound, match=r"limits\.list"):
        await moot.limits.clear(name="agents")
    events = (await moot.audit.list()).items
    assert [each.operation for each in events if each.kind == "limits.changed"] == ["limits.clear", "limits.set"]


async def test_the_platform_sets_limits_and_the_tenant_sees_them(moot: Moot, other: Moot) -> None:
    tenants = moot.with_key((await moot.keys.create(name="k", scopes=["*"])).secret)
    with pytest.raises(Forbidden, match="platform:limits"):
        await tenants.limits.set(name="agents", amount=5)
    await moot.limits.set(name="agents", amount=5)
    with pytest.raises(Forbidden, match="platform:limits"):
        await tenants.limits.clear(name="agents")
    assert [each.amount for each in await tenants.limits.list()] == [5]
    assert await other.limits.list() == []


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"name": "bytes", "amount": 1}, "name"),
        ({"name": "calls:", "amount": 1}, "name"),
        ({"name": "calls:Agents", "amount": 1}, "name"),
        ({"name": "agents", "amount": -1}, "amount"),
        ({"name": "agents", "amount": 10**13}, "amount"),
        ({"name": "calls", "amount": 0}, "amount"),
    ],
)
async def test_bad_limits_are_named_and_change_nothing(moot: Moot, arguments: dict[str, Any], field: str) -> None:
    with pytest.raises(Invalid) as wrong:
        await moot.limits.set(**arguments)
    assert str(wrong.value.field) == field
    assert await moot.limits.list() == []


# --- limits of calls


async def test_one_process_holds_a_limit_of_calls_exactly(moot: Moot) -> None:
    await moot.limits.set(name="calls:agents", amount=20)
    issued = await moot.keys.create(name="k", scopes=["*"])
    program = moot.with_key(issued.secret)
    outcomes = await at_once(40, lambda _: program.agents.list())
    failed = [each for each in outcomes if isinstance(each, TenantRateLimited)]
    assert (len(failed), len(outcomes) - len(failed)) == (20, 20)
    await program.keys.current()  # of another group
    await moot.agents.list()  # without a key: the platform's own


async def test_over_http_a_refusal_says_all_that_a_client_needs(
    server: EmbeddedServer, settings: Settings, moot: Moot
) -> None:
    await moot.limits.set(name="calls", amount=3)
    await moot.limits.set(name="agents", amount=0)
    issued = await moot.keys.create(name="k", scopes=["*"])
    async with serving(server.dsn("app", DATABASE), settings) as live, live.client(issued.secret) as client:
        full = await client.post("/v1/agents/register", json={"name": "Ada"})
        assert (full.status_code, full.json()["code"]) == (429, "quota_exceeded")
        assert full.headers["ratelimit-policy"] == '"agents";q=0'
        assert full.headers["ratelimit"] == '"agents";r=0;t=60'
        assert full.headers["retry-after"] == "60"
        for _ in range(2):
            assert (await client.get("/v1/keys/current")).status_code == 200
        over = await client.get("/v1/keys/current")
        problem = over.json()
        assert (over.status_code, problem["code"], problem["kind"]) == (429, "tenant_rate_limited", "exhausted")
        assert {name: problem["context"][name] for name in ("field", "limit", "window", "remaining")} == {
            "field": "calls",
            "limit": 3,
            "window": 60,
            "remaining": 0,
        }
        assert over.headers["ratelimit-policy"] == '"calls";q=3;w=60'
        assert over.headers["ratelimit"].startswith('"calls";r=0;t=')
        assert 1 <= int(over.headers["retry-after"]) <= 20


async def test_several_servers_hold_a_limit_together(
    server: EmbeddedServer, settings: Settings, moot: Moot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What one spent, the other hears of; beyond the limit goes no more than both can spend between two meetings."""
    monkeypatch.setattr(sharing, "SHARE_SECONDS", 3600.0)  # they meet when this test says so
    await moot.limits.set(name="calls", amount=30)
    issued = await moot.keys.create(name="k", scopes=["*"])
    dsn = server.dsn("app", DATABASE)

    async def calls(live: Live, most: int) -> int:
        async with live.client(issued.secret) as client:
            answers = [(await client.get("/v1/keys/current")).status_code for _ in range(most)]
        return answers.count(200)

    async def meet(*servers: Live) -> None:
        for live in servers:
            assert live.moot.session is not None
            assert live.moot.session.runtime is not None
            assert live.moot.session.database is not None
            await sharing.RatesShared(live.moot.session.runtime.instruments.rates, live.moot.session.database).share()

    async with serving(dsn, settings) as one, serving(dsn, settings) as two:
        assert (await calls(one, 10), await calls(two, 10)) == (10, 10)
        await meet(one, two, one)
        first, second = await calls(one, 15), await calls(two, 15)
        assert 10 <= first <= 12  # a token every two seconds comes back
        assert 10 <= second <= 12
        await meet(one, two, one)
        assert (await calls(one, 5), await calls(two, 5)) == (0, 0)
        assert (await used(moot, "calls"))[0] == 30


async def test_while_the_database_does_not_answer_each_server_goes_on_alone(
    moot: Moot, monkeypatch: pytest.MonkeyPatch
) -> None:
    from moothill.kernel.errors import Unavailable

    async def no_answer(*_: Any) -> Any:
        raise Unavailable()

    await moot.limits.set(name="calls", amount=5)
    program = moot.with_key((await moot.keys.create(name="k", scopes=["*"])).secret)
    await program.keys.current()
    assert moot.session is not None
    assert moot.session.runtime is not None
    assert moot.session.database is not None
    shared = sharing.RatesShared(moot.session.runtime.instruments.rates, moot.session.database)
    with monkeypatch.context() as patch:
        patch.setattr(sharing, "share_rates", no_answer)
        await shared.share()
    await program.keys.current()
    await shared.share()
    assert (await used(moot, "calls"))[0] == 2


async def test_a_process_that_tells_late_brings_back_nothing_of_a_tenant_that_is_gone(moot: Moot) -> None:
    assert moot.session is not None
    assert moot.session.database is not None
    own = (await moot.keys.current()).tenant
    told = [Spent(tenant, "calls", 60, 1) for tenant in (own, uuid4())]
    assert [row[0] for row in await share_rates(moot.session.database, told)] == [own]
