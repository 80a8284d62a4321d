"""Fresh at commit, queued for remote providers, and two models served while one is built."""

from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from moothill.embeddings import EmbeddingInputRefused, EmbeddingsUnavailable
from moothill.kernel import REGISTRY, Step
from moothill.kernel.errors import Unavailable
from moothill.kernel.identifiers import uuid7
from moothill.registry.search import SearchEntry, filling, service
from moothill.registry.search.providers import Providers
from moothill.registry.search.statements import sql

from .shelf import MODEL, Shelf

REMOTE = "far_away_8"


class FarAway:
    """A provider at the other end of a wire, as a test drives it."""

    name = "far-away"
    model = REMOTE
    dimensions = 8
    local = False
    max_characters = 1000

    def __init__(self) -> None:
        self.is_up = True
        self.refused = "nothing is called like this"
        self.asked: list[list[str]] = []

    async def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        if not self.is_up:
            raise EmbeddingsUnavailable()
        if any(self.refused in text for text in texts):
            raise EmbeddingInputRefused()
        self.asked.append(list(texts))
        rows = np.zeros((len(texts), 8), dtype=np.float32)
        for row, text in zip(rows, texts, strict=True):
            row[len(text) % 8] = 1
        return rows

    async def close(self) -> None:
        self.is_up = False


def record(title: str, body: str = "") -> SearchEntry:
    return SearchEntry(kind="record", id=uuid7(), title=title, body=body)


def far(shelf: Shelf) -> tuple[Shelf, FarAway]:
    """The same tenant in a process whose settings name a remote provider."""
    provider = FarAway()
    return shelf.beside(Providers(provider)), provider


async def fill(shelf: Shelf) -> int:
    """Run the worker's schedule to its end; how many vectors were made."""
    cursor: Any = None
    while True:
        step = await shelf.step("search.fill_queue", shelf.search._make_vectors, shelf.search.fill_queue, cursor)
        cursor = step.cursor
        if cursor is None or step.done > 1_000:
            return step.done


async def test_a_remote_providers_vectors_are_queued_and_the_hit_says_so(shelf: Shelf) -> None:
    there, provider = far(shelf)
    note = record("a note about otters")
    await there.put(note)
    assert provider.asked == []
    (hit,) = (await there.search.find(text="otters")).hits
    assert (hit.vector, hit.why.vector_rank) == ("pending", None)
    status = await there.search.status()
    assert (status.pending, status.vectors, status.serving) == (1, 0, REMOTE)
    assert status.lag_seconds > 0
    assert await fill(there) == 1
    (hit,) = (await there.search.find(text="otters")).hits
    assert (hit.vector, hit.why.vector_rank) == ("fresh", 1)
    assert (await there.search.status()).pending == 0


async def test_a_changed_text_is_pending_until_its_new_vector_is_there(shelf: Shelf) -> None:
    there, provider = far(shelf)
    note = record("short")
    await there.put(note)
    await fill(there)
    await there.put(SearchEntry(kind="record", id=note.id, title="short", status="seen"))
    assert (await there.search.status()).pending == 0, "the text is the same"
    await there.put(SearchEntry(kind="record", id=note.id, title="much longer"))
    (hit,) = (await there.search.find(text="longer")).hits
    assert hit.vector == "pending"
    await fill(there)
    assert provider.asked[-1] == ["much longer"]
    assert (await there.search.find(text="longer")).hits[0].vector == "fresh"


async def test_a_vector_of_an_older_text_is_never_stored(shelf: Shelf) -> None:
    """The text changes while the provider works: what it answers belongs to a text that is gone."""
    there, _ = far(shelf)
    note = record("first")
    await there.put(note)
    async with there.writing():
        (read,) = await sql.queued(model=REMOTE, size=10, attempts=8)
    await there.put(SearchEntry(kind="record", id=note.id, title="second"))
    async with there.writing():
        settled = {"model": REMOTE, "id": note.id, "vector": "[1,0,0,0,0,0,0,0]"}
        await sql.settle(**settled, queued_at=read.queued_at, digest=read.digest)
    status = await there.search.status()
    assert (status.vectors, status.pending) == (0, 1)


async def test_a_provider_that_is_down_delays_vectors_and_nothing_else(shelf: Shelf) -> None:
    there, provider = far(shelf)
    provider.is_up = False
    note = record("otters")
    await there.put(note)
    assert await fill(there) == 0
    found = await there.search.find(text="otters")
    assert [hit.id for hit in found.hits] == [note.id]
    assert found.mode == "text"
    assert "words alone" in found.notes[0]
    with pytest.raises(Unavailable):
        await there.search.find(text="otters", mode="vector")
    provider.is_up = True
    assert await fill(there) == 1


async def test_a_text_that_the_provider_refuses_stops_no_other(shelf: Shelf) -> None:
    there, provider = far(shelf)
    provider.refused = "poison"
    await there.put(record("good"), record("poison"), record("better"))
    for _ in range(filling.ATTEMPTS + 1):
        await fill(there)
    (model,) = [m for m in await there.search.models() if m.model == REMOTE]
    assert (model.vectors, model.pending, model.failed) == (2, 1, 1)


async def test_both_models_answer_until_the_new_one_is_built(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filling, "_REMOTE_TEXTS", 3)
    notes = [record(f"note {n}", "about otters") for n in range(10)]
    await shelf.put(*notes)
    there, provider = far(shelf)
    found = await there.search.find(text="otters", mode="vector")
    assert (found.model, len(found.hits)) == (MODEL, 10)
    late = record("late note", "about otters")
    await there.put(late)
    states = {model.model: model.state for model in await there.search.models()}
    assert (states[MODEL], states[REMOTE]) == ("serving", "building")
    assert await fill(there) == 2, "one vector for each of the two models"
    assert (await shelf.search.find(text="late note", mode="vector", limit=1)).hits[0].id == late.id

    step = await there.reindex()
    assert step.done >= 10
    states = {model.model: model.state for model in await there.search.models()}
    assert (states[MODEL], states[REMOTE]) == ("retired", "serving")
    found = await there.search.find(text="otters", mode="vector", limit=20)
    assert (found.model, len(found.hits)) == (REMOTE, 11)
    await there.put(record("after"))
    assert await fill(there) == 1, "a retired model gets nothing any more"
    async with there.writing() as search:
        assert (await search.arrange()).cursor is None
    vectors = {model.model: model.vectors for model in await there.search.models()}
    assert vectors[MODEL] == 11, "other processes may still ask it for a moment"
    monkeypatch.setattr(filling, "_GRACE", timedelta(0))
    async with there.writing() as search:
        assert (await search.arrange()).cursor is None
    assert {model.model: model.vectors for model in await there.search.models()}[MODEL] == 0
    kinds = [event.kind for event in (await shelf.moot.events.list()).items]
    assert {"search.reindex_started", "search.model_served"} <= set(kinds)
    assert max(map(len, provider.asked)) <= 3


async def test_the_old_model_answers_at_every_step_of_a_reindex_that_breaks_off_and_goes_on(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A step that was lost, as by kill -9, is done again from its cursor, and an answer is whole at any time."""
    monkeypatch.setattr(filling, "_REMOTE_TEXTS", 3)
    monkeypatch.setattr(service, "_QUEUED", 4)
    notes = [record(f"note {n}", "about otters") for n in range(10)]
    await shelf.put(*notes)
    there, provider = far(shelf)
    await there.search.find(text="otters")
    reindex = REGISTRY["search.reindex"]
    assert reindex.prepare_body is not None
    prepare = partial(reindex.prepare_body, there.search, model=REMOTE)
    cursor: Any = None
    steps = lost = 0
    step = Step(done=0)

    async def body() -> Step:
        nonlocal lost
        done: Step = await reindex.body(there.search, model=REMOTE)
        if lost == steps:
            lost += 1
            raise EmbeddingsUnavailable()
        return done

    while True:
        for _ in range(2):
            found = await there.search.find(text="otters", mode="vector", limit=20)
            assert (found.model, len(found.hits)) == (MODEL, 10), f"after step {steps}"
            # The first try of each step is lost before it commits; of some, since the provider is gone.
            provider.is_up = lost % 3 != 2
            try:
                step = await there.step(reindex.name, prepare, body, cursor)
            except Unavailable:
                lost = max(lost, steps + 1)
                provider.is_up = True
                continue
            finally:
                provider.is_up = True
            break
        steps += 1
        cursor = step.cursor
        if cursor is None:
            break
    assert steps >= 7
    assert lost == steps
    found = await there.search.find(text="otters", mode="vector", limit=20)
    assert (found.model, len(found.hits)) == (REMOTE, 10)
    states = {model.model: (model.state, model.pending) for model in await there.search.models()}
    assert states[REMOTE] == ("serving", 0)


async def test_a_reindex_without_a_second_model_makes_vectors_anew_and_an_unknown_one_is_refused(shelf: Shelf) -> None:
    await shelf.put(record("one"), record("two"))
    assert (await shelf.reindex()).done == 2
    assert (await shelf.search.status()).vectors == 2
    with pytest.raises(Exception, match="no provider for nothing_8"):
        await shelf.reindex("nothing_8")


async def test_vectors_of_two_models_never_meet(shelf: Shelf) -> None:
    there, _ = far(shelf)
    await shelf.put(record("otter"))
    await there.reindex()
    await there.put(record("beaver"))
    await fill(there)
    with pytest.raises(Exception, match="256 dimensions; the model far_away_8 has 8"):
        await there.search.find(vector=[1.0] * 256)


def test_the_double_keeps_the_protocol() -> None:
    from moothill.embeddings import EmbeddingProvider

    provider: Any = FarAway()
    assert isinstance(provider, EmbeddingProvider)
