"""Lists of agents: filters, orders, and pages that stay stable."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from moothill.kernel.errors import Invalid
from moothill.kernel.paging import all_items
from moothill.moot import Moot
from moothill.registry.agents import AgentDetails, AgentFilter
from moothill.registry.agents.models import AgentOrder

NAMES = ("ada", "Bob", "bob", "Çelik", "Ada B", "zoë", "Zed", "10x")


async def fill(moot: Moot) -> None:
    for number, name in enumerate(NAMES):
        await moot.agents.register(
            agent_id=f"a{number}",
            name=name,
            type="worker" if number % 2 else "monitor",
            tags=["even"] if number % 2 == 0 else ["odd", "both"],
            model_family="owl" if number < 3 else "lark",
            capabilities=["Fly by night"] if number in (1, 2, 5) else None,
            details=AgentDetails(specialisations=["maps"] if number in (2, 5) else []),
        )


async def keys(moot: Moot, order: AgentOrder = "name", size: int = 3, **wanted: Any) -> list[str]:
    found: AsyncIterator[Any] = all_items(
        lambda cursor: moot.agents.list(filter=AgentFilter(**wanted), order=order, limit=size, cursor=cursor)
    )
    return [agent.agent_id async for agent in found]


async def test_pages_walk_every_agent_once_in_each_order(moot: Moot) -> None:
    await fill(moot)
    by_name = await keys(moot)
    assert by_name == ["a7", "a0", "a4", "a1", "a2", "a6", "a5", "a3"]
    assert await keys(moot, "registered", 1) == [f"a{n}" for n in range(8)]
    assert await keys(moot, "last_active", 3) == [f"a{n}" for n in reversed(range(8))]


async def test_a_page_stays_stable_while_agents_come_and_go(moot: Moot) -> None:
    await fill(moot)
    first = await moot.agents.list(limit=3)
    await moot.agents.register(agent_id="new", name="aaa")
    await moot.agents.deactivate(agent=first.items[1].agent_id)
    rest = await moot.agents.list(limit=100, cursor=first.next)
    assert [agent.agent_id for agent in rest.items] == ["a1", "a2", "a6", "a5", "a3"]


async def test_all_that_a_filter_says_must_hold(moot: Moot) -> None:
    await fill(moot)
    assert await keys(moot, type="worker", model_family="owl") == ["a1"]
    assert set(await keys(moot, tag="both")) == {"a1", "a3", "a5", "a7"}
    assert await keys(moot, capability="  fly BY night ") == ["a1", "a2", "a5"]
    assert await keys(moot, "registered", capability="fly by night", specialisation="maps") == ["a2", "a5"]
    assert await keys(moot, "last_active", capability="fly by night", specialisation="maps", tag="even") == ["a2"]
    assert await keys(moot, specialisation="nothing") == []
    assert await keys(moot, tier="gold") == []
    assert len(await keys(moot, tier="bronze", status="idle")) == 8


async def test_a_prefix_is_compared_without_case_in_every_order(moot: Moot) -> None:
    await fill(moot)
    assert await keys(moot, name_prefix="BO", size=1) == ["a1", "a2"]
    assert await keys(moot, "registered", name_prefix="ad", size=1) == ["a0", "a4"]
    assert await keys(moot, "last_active", name_prefix="z", size=1) == ["a6", "a5"]
    assert await keys(moot, name_prefix="ç") == ["a3"]
    assert await keys(moot, name_prefix="%") == []


async def test_a_forged_or_foreign_cursor_is_refused(moot: Moot, other: Moot) -> None:
    await fill(moot)
    page = await moot.agents.list(limit=2)
    assert page.next is not None
    for call in (
        moot.agents.list(cursor=page.next[:-2] + "xx"),
        moot.agents.list(cursor=page.next, order="registered"),
        moot.agents.list(cursor=page.next, filter=AgentFilter(status="idle")),
        other.agents.list(cursor=page.next),
        moot.agents.list(limit=0),
        moot.agents.list(limit=-5),
        moot.agents.list(limit=1001),
    ):
        with pytest.raises(Invalid):
            await call


async def test_one_tenant_lists_nothing_of_another(moot: Moot, other: Moot) -> None:
    """A21, A22: forced row security and the tenant in every statement."""
    await fill(other)
    assert await keys(moot) == []
    assert await keys(moot, tag="both") == []
    assert (await moot.agents.active()).items == []
    assert (await moot.capabilities.summary()).items == []
