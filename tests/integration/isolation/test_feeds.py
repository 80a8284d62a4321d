"""Isolation of the feed: what happens in one society wakes and reaches nobody in the other."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from moothill.kernel.errors import Invalid
from moothill.kernel.events import Event
from moothill.registry.agents import Heartbeat
from tests.integration.isolation.intruder import Ground

PATIENCE = 20.0


async def first(feed: AsyncIterator[Event]) -> Event:
    async with asyncio.timeout(PATIENCE):
        return await anext(feed)


@pytest.mark.parametrize("kept", ["everything", "their agent", "their actor"])
async def test_following_shows_what_is_ours_and_never_what_is_theirs(ground: Ground, kept: str) -> None:
    """A22: they write first, then we do; the first event of the feed is ours, whatever it was asked for."""
    subject = ground.theirs.agent if kept == "their agent" else None
    actor = ground.theirs.agent if kept == "their actor" else None
    last = (await ground.ours.moot.events.list(order="newest", limit=1)).items[0].cursor
    ours = ground.ours.moot.events.follow(after=last)
    asked = ground.ours.moot.events.follow(after=last, subject=subject, actor=actor)
    reading = asyncio.create_task(first(asked))
    for society in (ground.theirs, ground.ours):
        await society.moot.agents.heartbeat(beats=[Heartbeat(agent=society.agent_key)])
    seen = await first(ours)
    assert seen.subjects == [ground.ours.agent]
    if kept == "everything":
        assert await reading == seen
    else:
        # Our own event has passed by, so theirs would have come before it.
        assert not reading.done()
        assert (await ground.ours.moot.events.list(subject=subject, actor=actor)).items == []
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)


async def test_the_whole_log_of_ours_is_ours(ground: Ground) -> None:
    secrets = await ground.secrets(*ground.others)
    cursor, events = None, 0
    while True:
        page = await ground.ours.moot.events.list(limit=7, cursor=cursor)
        events += len(page.items)
        said = page.model_dump_json()
        assert [word for word in secrets if word in said] == []
        cursor = page.next
        if cursor is None:
            break
    # What other tests' open transactions still hold back is missing.
    assert 20 < events <= (await ground.truth(ground.catalog["events"]))[ground.ours.id]


async def test_a_place_in_their_log_is_none_in_ours(ground: Ground) -> None:
    theirs = (await ground.theirs.moot.events.list(limit=1)).items[0].cursor
    for after in (theirs, theirs[:-4] + "AAAA"):
        with pytest.raises(Invalid, match="cursor"):
            await first(ground.ours.moot.events.follow(after=after))
