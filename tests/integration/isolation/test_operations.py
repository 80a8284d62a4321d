"""Isolation of the operations: another tenant's things are answered for exactly as things that nobody has."""

import re
from typing import Literal
from uuid import UUID

import pytest

from moothill.kernel.context import CallOptions
from moothill.kernel.errors import NotFound
from moothill.registry.agents import AgentFilter
from moothill.registry.agents.errors import AgentNotFound
from moothill.registry.capabilities.models import CapabilityFilter
from moothill.registry.search import SearchFilters
from tests.integration.isolation.asking import (
    FREE,
    FREE_AT,
    KINDS,
    Answer,
    Path,
    arguments,
    ask,
    in_vain,
    operations,
    references,
    required,
    stranger,
    suspects,
)
from tests.integration.isolation.intruder import Ground
from tests.integration.isolation.societies import Society

OPERATIONS = operations()
PLACES = [
    (name, path, kind)
    for name, operation in OPERATIONS.items()
    for path, kind in references(operation)
    # A feed of a subject that nobody has waits for ever; see test_feeds.py.
    if name != "events.follow"
]
MISSING = "missing_scope"
MODES: tuple[Literal["text", "vector", "hybrid"], ...] = ("text", "vector", "hybrid")
PAGED = [name for name, operation in OPERATIONS.items() if "cursor" in operation.signature.fields]


def named(place: tuple[str, Path, str]) -> str:
    return f"{place[0]}({'.'.join(map(str, place[1]))})"


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_reference_is_known_as_one_in(name: str) -> None:
    """A place that looks like a reference is one of a known kind, or is listed as none."""
    unknown = [
        path
        for path in suspects(OPERATIONS[name])
        if path[-1] not in KINDS and path[-1] not in FREE and (name, path) not in FREE_AT
    ]
    assert unknown == [], "say in asking.py what this refers to"


@pytest.mark.parametrize("place", PLACES, ids=named)
async def test_their_things_are_answered_for_like_nothing_by(ground: Ground, place: tuple[str, Path, str]) -> None:
    """A22, A23, A24, B30: same code, same words, no word of theirs, and nothing changed on either side."""
    name, path, kind = place
    operation, moot = OPERATIONS[name], ground.ours.moot.with_key(ground.ours.secret)
    # A refusal for want of a scope is an event of our own.
    watched = ground.others if operation.scope.startswith("platform:") else (ground.ours, *ground.others)
    before, secrets = await ground.fingerprint(*watched), await ground.secrets(*ground.others)
    for value in await _references(ground, name, kind, ground.theirs):
        unknown = stranger(value)
        asked = [(str(value), arguments(operation, ground.ours, path, str(value)))]
        asked.append((unknown, arguments(operation, ground.ours, path, unknown)))
        answers = [await ask(moot, operation, given, word) for word, given in asked]
        assert answers[0] == answers[1], f"theirs: {answers[0]}; nobody's: {answers[1]}"
        assert [word for word in secrets if word in answers[0].text] == []
        assert await ground.fingerprint(*watched) == before
        if operation.effect == "destroy":
            plans = [await ask(moot, operation, given, word, dry=True) for word, given in asked]
            assert plans[0] == plans[1]
            assert [word for word in secrets if word in plans[0].text] == []
        await _control(ground, place, answers[1])


async def _control(ground: Ground, place: tuple[str, Path, str], unknown: Answer) -> None:
    """Our own thing is answered for otherwise: the call does find what there is to find."""
    name, path, kind = place
    if unknown.code == MISSING:
        assert name.startswith(("tenants.", "erasure.erase_tenant"))
        return
    operation, moot = OPERATIONS[name], ground.ours.moot
    if operation.mode == "none":
        return
    for value in await _references(ground, name, kind, ground.ours):
        own = await in_vain(moot, operation, arguments(operation, ground.ours, path, str(value)), str(value))
        assert own != unknown, own


async def _references(ground: Ground, name: str, kind: str, society: Society) -> list[UUID | str]:
    """What refers to a thing of a society: its id, and the key or name that only it uses."""
    if name.startswith("events.") and kind == "event" and name != "events.get":
        cursor = await ground.admin.execute(
            "select event_id from moothill.parked_events where tenant_id = %s and dead limit 1", [society.id]
        )
        return [row[0] for row in await cursor.fetchall()]
    found: list[UUID | str] = [getattr(society, kind)]
    if kind == "agent" and not name.startswith("events."):
        found.append(society.agent_key)
    if kind == "id":
        found.append(society.slug)
    return found


@pytest.mark.parametrize("name", [n for n, o in OPERATIONS.items() if o.effect == "read" and o.kind == "call"])
async def test_reading_shows_nothing_of_theirs_by(ground: Ground, name: str) -> None:
    """A17, A22, A23: lists, search, events, statistics and all else that reads."""
    operation, moot = OPERATIONS[name], ground.ours.moot.with_key(ground.ours.secret)
    given = required(operation, ground.ours) if name in PAGED else arguments(operation, ground.ours)
    answer = await ask(moot, operation, given)
    if operation.scope.startswith("platform:"):
        assert answer.code == MISSING
        return
    assert answer.code == "", answer
    assert "items=[]" not in answer.text, f"{name}: give the societies some of these"
    secrets = await ground.secrets(*ground.others)
    assert [word for word in secrets if word in answer.text] == []


@pytest.mark.parametrize("name", [name for name in PAGED if not OPERATIONS[name].scope.startswith("platform:")])
async def test_a_cursor_of_theirs_is_refused_by(ground: Ground, name: str) -> None:
    """A cursor names a place in one tenant's list; elsewhere it is as good as a forged one."""
    operation = OPERATIONS[name]
    theirs, mine = required(operation, ground.theirs), required(operation, ground.ours)
    page = await ground.theirs.moot.executor.run(operation, {**theirs, "limit": 1}, CallOptions())
    assert page.next is not None, f"{name}: give the societies two of these"
    assert (await ask(ground.theirs.moot, operation, {**theirs, "cursor": page.next})).code == ""
    forged = page.next[:-4] + "AAAA"
    answers = [await ask(ground.ours.moot, operation, {**mine, "cursor": cursor}) for cursor in (page.next, forged)]
    assert answers[0] == answers[1]
    assert answers[0].code == "invalid_cursor"


async def test_words_of_theirs_find_nothing_of_theirs(ground: Ground) -> None:
    """A17, A18: search by their very words, by their tags and by their vectors."""
    moot, word = ground.ours.moot, ground.theirs.marker
    secrets = await ground.secrets(*ground.others)
    found = [
        *[await moot.search.find(text=f"Reviewing contracts for {word}", mode=mode, limit=100) for mode in MODES],
        await moot.search.find(text=word, kinds=["agent"], limit=100),
        await moot.search.find(text="reviewing", filters=SearchFilters(tags=[word])),
        await moot.capabilities.similar(text=f"Sealing {word} deeds", limit=50),
        await moot.agents.choose(capability=f"Sealing {word} deeds", limit=50),
        await moot.agents.choose(tags=[word]),
        await moot.agents.list(filter=AgentFilter(tag=word)),
        await moot.agents.list(filter=AgentFilter(capability=f"alias of {word}")),
        await moot.agents.list(filter=AgentFilter(name_prefix=f"Ada {word}")),
        await moot.capabilities.list(filter=CapabilityFilter(name=f"alias of {word}")),
        await moot.capabilities.list(filter=CapabilityFilter(tag=word)),
    ]
    # A search that finds nothing says how the words and filters of the question are to blame.
    said = "".join(str(each) for each in found).replace(word, "")
    assert ground.ours.marker in said
    assert [each for each in secrets if each in said] == []
    assert (await ground.theirs.moot.search.find(text=word, mode="text")).hits


async def test_names_that_they_took_are_free(ground: Ground) -> None:
    """A24: registering under a key of theirs answers as under one that nobody has, and so does everything unique."""
    register, moot = OPERATIONS["agents.register"], ground.ours.moot
    answers = []
    for key in (ground.theirs.agent_key, stranger(ground.theirs.agent_key)):
        given = {"name": "Somebody", "agent_id": key, "capabilities": ["Reviewing contracts"], "tags": ["law"]}
        answer = await in_vain(moot, register, given, key)
        answers.append(Answer(answer.code, re.sub(r"UUID\('[^']*'\)|datetime\.datetime\([^)]*\)+", "", answer.text)))
    assert answers[0] == answers[1]
    assert answers[0].code == ""


async def test_an_idempotency_key_of_theirs_is_free(ground: Ground) -> None:
    """X2: a key is of one tenant, actor and operation; it replays nobody else's result."""
    made = [
        await society.moot.keys.create.options(idempotency_key="the same for both")(
            name=f"once for {society.marker}", scopes=["agents:read"]
        )
        for society in (ground.theirs, ground.ours)
    ]
    assert made[0].key.id != made[1].key.id


async def test_their_tenant_cannot_be_entered(ground: Ground) -> None:
    """B30, C24: a key is of one tenant; another's slug and id answer as one that nobody has."""
    moot = ground.ours.moot.with_key(ground.ours.secret)
    for value in (ground.theirs.slug, str(ground.theirs.id)):
        told = []
        for reference in (value, stranger(UUID(value) if value != ground.theirs.slug else value)):
            with pytest.raises(NotFound) as caught:
                await moot.tenant(reference).agents.list()
            told.append(str(caught.value).replace(reference, "<it>"))
        assert told[0] == told[1]
    for agent in (ground.theirs.agent_key, str(ground.theirs.agent)):
        with pytest.raises(AgentNotFound):
            await ground.ours.moot.view_as(agent).keys.current()


async def test_their_things_are_answered_for_like_nothing_in_a_batch(ground: Ground) -> None:
    """A39: each call of a batch is in the tenant of the batch, and a failure undoes the whole of it."""
    before = await ground.fingerprint(ground.ours, ground.theirs)
    calls = [
        ground.ours.moot.agents.register.call(name="Never", agent_id="never"),
        ground.ours.moot.agents.get.call(agent=ground.theirs.agent_key),
    ]
    with pytest.raises(AgentNotFound):
        await ground.ours.moot.batch(calls)
    assert await ground.fingerprint(ground.ours, ground.theirs) == before
