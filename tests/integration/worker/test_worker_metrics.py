"""What `/metrics` tells about the worker: how far handlers are behind, and how long jobs waited."""

import asyncio
from functools import partial

import pytest
from prometheus_client.parser import text_string_to_metric_families

from moothill.database.embedded import EmbeddedServer
from moothill.database.pool import Database
from moothill.doors.http import Door, metrics
from moothill.doors.http.metrics import Exposition
from moothill.kernel.errors import Exhausted
from moothill.kernel.settings import Settings
from tests.integration.worker.world import World, eventually
from tests.serving import serving

LAG = "moothill_handler_lag_seconds"


def door_of(world: World) -> Door:
    assert world.moot.session is not None
    return Door.of(world.moot.session)


def samples(text: str, family: str) -> dict[str, float]:
    """Values of a family, by the handler they are of, or by their own name."""
    families = {each.name: each for each in text_string_to_metric_families(text)}
    return {each.labels.get("handler", each.name): each.value for each in families[family].samples}


async def handled(world: World) -> None:
    """The handlers are known, and nothing waits for them."""
    async with world.worker():
        await world.of(world.moot).happen(numbers=[1])
        for mark in ("first", "second", "third"):
            await eventually(partial(world.has_marks, mark, [1]))


async def test_it_tells_how_far_each_handler_is_behind(
    world: World, server: EmbeddedServer, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    await handled(world)
    await world.of(world.moot).happen(numbers=[2])
    monkeypatch.setattr(metrics, "_LAGS_FRESH_SECONDS", 0.0)
    async with serving(world.dsn, settings) as live, live.client() as client:

        async def lags() -> dict[str, float]:
            found = samples((await client.get("/metrics")).text, LAG)
            return {name: seconds for name, seconds in found.items() if name.startswith("probe.")}

        async def all_lag() -> dict[str, float] | None:
            found = await lags()
            return found if found and all(found.values()) else None

        # An event counts once no older transaction runs any more.
        before = await eventually(all_lag)
        after = await lags()
        assert len(before) == 3
        assert all(after[name] > seconds for name, seconds in before.items())
        async with world.worker():
            for mark in ("first", "second", "third"):
                await eventually(partial(world.has_marks, mark, [1, 2]))
        assert set((await lags()).values()) == {0.0}


async def test_it_does_not_ask_the_database_at_every_look(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = 0

    async def count(database: Database) -> dict[str, float]:
        nonlocal asked
        asked += 1
        return {"probe.first": 1.5}

    monkeypatch.setattr(metrics, "handler_lags", count)
    exposition = Exposition(door_of(world))
    told = await asyncio.gather(*(exposition.render() for _ in range(5)))
    assert [samples(text.decode(), LAG) for text in told] == [{"probe.first": 1.5}] * 5
    assert asked == 1


@pytest.mark.parametrize("trouble", ["refuses", "says nothing"])
async def test_a_lag_that_nobody_knows_is_left_out(world: World, monkeypatch: pytest.MonkeyPatch, trouble: str) -> None:
    """An old one would be taken for a new one; the other metrics are told all the same."""
    monkeypatch.setattr(metrics, "_LAGS_FRESH_SECONDS", 0.0)
    monkeypatch.setattr(metrics, "_LAGS_PATIENCE_SECONDS", 0.05)
    exposition = Exposition(door_of(world))
    await handled(world)
    assert samples((await exposition.render()).decode(), LAG)

    async def fail(database: Database) -> dict[str, float]:
        if trouble == "says nothing":
            await asyncio.Event().wait()
        raise Exhausted("No connection is free.")

    monkeypatch.setattr(metrics, "handler_lags", fail)
    text = (await exposition.render()).decode()
    assert samples(text, LAG) == {}
    assert samples(text, "moothill_pool_connections_max")


async def test_it_tells_how_long_jobs_waited_once_for_each(world: World) -> None:
    exposition = Exposition(door_of(world))
    asked = [await world.of(world.moot).work(steps=3) for _ in range(2)]
    await world.ask("update moothill.jobs set created_at = created_at - interval '100 s' where id = %s", asked[0].id)

    async def ended() -> bool:
        return all([(await world.moot.jobs.get(job=each.id)).state == "completed" for each in asked])

    async with world.worker():
        await eventually(ended)
    found = samples((await exposition.render()).decode(), "moothill_job_wait_seconds")
    assert found["moothill_job_wait_seconds_count"] == 2
    assert 100 < found["moothill_job_wait_seconds_sum"] < 200
