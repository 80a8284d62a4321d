"""From a query to its answer: the vector before the transaction, one statement in it."""

import json
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, TypeVar
from uuid import UUID

from ...embeddings import embed
from ...kernel.context import Transaction, context
from ...kernel.errors import Exhausted, Invalid, NotFound, Unavailable
from ...kernel.local import LocalExecutor, entered
from . import hits, rules
from .entries import Question
from .index import half
from .models import (
    Correction,
    Lost,
    SearchBoosts,
    SearchFilters,
    SearchGraph,
    SearchKind,
    SearchMode,
    SearchResults,
    SearchTiming,
    SearchWeights,
)
from .providers import Providers, providers_of
from .rows import FoundRow
from .sessions.models import Measured
from .statements import sql
from .wording import corrected, corrections, worded

__all__ = [
    "Answer",
    "Made",
    "QueryMissing",
    "UnknownAgent",
    "answer",
    "apart",
    "question",
    "ready",
    "vectors_for",
    "worded_question",
]

T = TypeVar("T")

_NO_FILTERS = SearchFilters()
_SAME_WEIGHTS = SearchWeights()
_FILTERS = ("kinds", "status", "tags", "confidence", "agent")


class QueryMissing(Invalid):
    """There is nothing to search for; give `text`, or `vector`."""


class UnknownAgent(NotFound):
    """No agent has this key or id."""


async def ready(executor: Any) -> tuple[Providers, str]:
    """The providers of this process, their model's table made, and the model that answers in this tenant."""
    providers = providers_of(executor)
    call = context()
    known = providers.serving(call.tenant)
    model = providers.configured.model
    if known is not None and model in providers.made:
        return providers, known
    if call.transaction is not None:
        found = await sql.ready(model=model)
    else:
        found = await apart(executor, lambda: sql.ready(model=model))
    if not found.made:
        # A table made for everybody must not wait for somebody's commit.
        dimensions = providers.configured.dimensions
        await apart(executor, lambda: sql.make_model(model=model, dimensions=dimensions))
    providers.made.add(model)
    serving = found.serving or model
    providers.remember(call.tenant, serving)
    return providers, serving


async def apart(executor: Any, statement: Callable[[], Awaitable[T]]) -> T:
    """Run a statement in a transaction of its own, beside whatever is open here."""
    assert isinstance(executor, LocalExecutor)
    alone = replace(context(), transaction=None, pending=[], read_only=False)
    async with executor.runtime.database.begin(alone, single=True) as unit:
        alone.transaction = unit
        with entered(alone):
            return await statement()


@dataclass(frozen=True, slots=True)
class Made:
    """Vectors of the texts of several queries, made in one call.

    Attributes:
        vectors: by what was embedded.
        milliseconds: what it took.
        failure: why there are none.
    """

    vectors: Mapping[str, Any]
    milliseconds: float
    failure: Unavailable | Exhausted | None = None


async def vectors_for(executor: Any, texts: Sequence[str | None]) -> Made | None:
    """The vectors of the texts of several queries, in one call of the provider; None without a text."""
    lines: list[str] = []
    for text in texts:
        with suppress(Invalid):  # the query itself is refused later, by its number
            lines.append(worded(text or "").meaning)
    lines = [*dict.fromkeys(lines)]
    if not lines:
        return None
    providers, model = await ready(executor)
    began = time.perf_counter()
    vectors: Mapping[str, Any] = {}
    failure = None
    try:
        vectors = dict(zip(lines, await embed(providers.of(model) or providers.configured, lines), strict=True))
    except (Unavailable, Exhausted) as error:
        failure = error
    return Made(vectors, (time.perf_counter() - began) * 1000, failure)


async def question(
    executor: Any,
    *,
    text: str | None,
    vector: Sequence[float] | None,
    mode: SearchMode = "hybrid",
    made: Made | None = None,
) -> Question:
    """A query with its vector, for the phase before the transaction.

    Raises:
        QueryMissing: the mode needs a text or a vector, and there is none.
        VectorRefused: the vector has other dimensions than the model that answers, or no direction.
        Unavailable: searching by vector alone, and the provider does not answer.
    """
    if (text is None and vector is None) or (mode == "text" and text is None):
        raise QueryMissing(field="text")
    providers, model = await ready(executor)
    notes: tuple[str, ...] = ()
    provider = providers.of(model)
    if provider is None:
        notes = (f"This process has no provider for {model}, which answers here; {providers.configured.model} does.",)
        provider = providers.configured
    began = time.perf_counter()
    meant: Any = None
    if mode != "text" and vector is not None:
        meant = half(rules.unit_vector(vector, dimensions=provider.dimensions, model=provider.model))
    elif mode != "text" and text is not None:
        try:
            if made is None:
                meant = half((await embed(provider, [text]))[0])
            elif made.failure is not None:
                raise made.failure
            else:
                meant = half(made.vectors[text])
        except (Unavailable, Exhausted):
            if mode == "vector":
                raise
            notes = (*notes, "The embedding provider does not answer; this was searched by words alone.")
        if meant is None and mode == "vector":
            notes = (*notes, "The text has no vector, so nothing is near it.")
    spent = (time.perf_counter() - began) * 1000
    words = None if mode == "vector" or text is None else rules.spoken(text)
    return Question(provider.model, words, meant, spent, notes)


async def worded_question(
    executor: Any,
    *,
    text: str | None,
    vector: Sequence[float] | None,
    mode: SearchMode = "hybrid",
    made: Made | None = None,
) -> Question:
    """A query whose text may hold phrases, beginnings and exclusions; else like `question`.

    Raises:
        QueryTooElaborate: there are too many of them.
    """
    if text is None:
        return await question(executor, text=None, vector=vector, mode=mode)
    line = worded(text)
    if line.only_leaves_out and not vector:
        raise QueryMissing("The text says only what to leave out; say what to look for.", field="text")
    asked = await question(executor, text=line.meaning, vector=vector, mode=mode, made=made)
    if line.conditions is None:
        return asked
    return replace(asked, text=None if asked.text is None else line.words, conditions=line.conditions)


@dataclass(frozen=True, slots=True)
class Answer:
    """What was found, and what was measured of it."""

    results: SearchResults
    measured: Measured


async def answer(
    asked: Question,
    *,
    kinds: Sequence[SearchKind] | None,
    filters: SearchFilters | None = None,
    limit: int,
    weights: SearchWeights | None = None,
    item: UUID | None = None,
    through: bool = True,
    graph: SearchGraph | None = None,
    boosts: SearchBoosts | None = None,
    facets: bool = False,
) -> Answer:
    """What is found, in the caller's transaction.

    Args:
        asked: from `question`.
        kinds: only these; for agents alone, their capabilities count for them.
        filters: what else a hit must be.
        limit: most hits.
        weights: of the lists.
        item: search with this item's own vector instead, for what is like it.
        through: agents are also found through their capabilities.
        graph: go on over relationships from the agents of the best hits.
        boosts: what moves hits up among those that match.
        facets: count what matches.

    Raises:
        UnknownAgent: the filter names an agent that does not exist.
    """
    filters, weights = filters or _NO_FILTERS, weights or _SAME_WEIGHTS
    mode: SearchMode = "vector" if asked.text is None else "text" if asked.vector is None else "hybrid"
    is_lifting = through and kinds is not None and set(kinds) == {"agent"}
    is_wide = (graph is not None and graph.hops > 0) or boosts is not None
    given: dict[str, Any] = {
        "kinds": ["agent", "capability"] if is_lifting else None if kinds is None else list(kinds),
        "status": filters.status,
        "tags": None if filters.tags is None else list(dict.fromkeys(filters.tags)),
        "confidence": filters.minimum_confidence,
        "agent": filters.agent,
        "vector": asked.vector,
        "item": item,
        "model": asked.model,
        "lift": is_lifting,
        "size": limit,
        "depth": rules.depth(limit, "hybrid" if is_wide else mode) + (item is not None),
        "text_weight": weights.text,
        "vector_weight": weights.vector,
        "smoothing": rules.SMOOTHING,
        "few": rules.FEW,
        "common": rules.COMMON,
        "more": _more(asked, weights, graph, boosts),
    }
    began = time.perf_counter()
    found = await _find(asked, given)
    notes = [*asked.notes, *found.notes]
    if found.lost is not None:
        notes += rules.explain_nothing(
            found.lost, text=found.words, kinds=kinds, filters=filters, conditions=asked.conditions is not None
        )
    counted = None
    if facets:
        _transaction().follow_up()
        asked_for = {name: given[name] for name in (*_FILTERS, "lift", "more")}
        counted = hits.facets_of(await sql.facets(text=found.words, most=rules.COUNTED, **asked_for), rules.COUNTED)
    results = SearchResults(
        hits=hits.hits_of(found.rows, found.made),
        mode=mode,
        model=asked.model,
        exact=all(row.exact for row in found.rows),
        timing=SearchTiming(
            embedding_ms=round(asked.milliseconds, 3), database_ms=round((time.perf_counter() - began) * 1000, 3)
        ),
        notes=notes,
        facets=counted,
    )
    # Without a row the parts are not known; a search in one way has one part.
    parts = {f"{mode}_ms": results.timing.database_ms} if mode != "hybrid" and not is_wide else {}
    return Answer(results, found.rows[0].measured if found.rows else Measured.model_validate(parts))


@dataclass(frozen=True, slots=True)
class _Found:
    """What the database answered, after words that were misspelt."""

    rows: Sequence[FoundRow]
    words: str | None
    made: Sequence[Correction]
    notes: Sequence[str]
    lost: Lost | None


async def _find(asked: Question, given: Mapping[str, Any]) -> _Found:
    """Ask, and ask once more where a word is in no text and another is spelt like it."""
    words = asked.text
    rows = await sql.find(text=words, **given)
    lost = None if rows else await _lost(words, given)
    if lost is not None and given["agent"] is not None and not lost.agent_known:
        raise UnknownAgent(f"There is no agent {given['agent']!r} here; `agents.list` shows those that exist.")
    made = corrections(lost.guesses if lost is not None else rows[0].guesses) if words is not None else []
    if words is None or not made:
        return _Found(rows, words, made, [], lost)
    words = corrected(words, made)
    _transaction().follow_up()
    rows = await sql.find(text=words, **given)
    notes = [f"No item holds {each.asked!r}; {each.used!r} was looked for instead." for each in made]
    return _Found(rows, words, made, notes, None if rows else await _lost(words, given))


def _more(
    asked: Question, weights: SearchWeights, graph: SearchGraph | None, boosts: SearchBoosts | None
) -> str | None:
    """What the statement takes beside words, vector and filters, as JSON; None for a plain search."""
    more: dict[str, Any] = dict(asked.conditions or {})
    if graph is not None and graph.hops > 0:
        more |= {"hops": graph.hops, "surest": str(graph.minimum_confidence), "graph_weight": weights.graph}
        if graph.types is not None:
            more["types"] = graph.types
    if boosts is not None:
        more["boosts"] = {
            "recency": boosts.recency,
            "half_life": boosts.half_life_days,
            "standing": boosts.standing,
        }
    return json.dumps(more, ensure_ascii=False) if more else None


def _transaction() -> Transaction:
    asking = context().transaction
    assert asking is not None
    return asking


async def _lost(words: str | None, given: Mapping[str, Any]) -> Lost:
    """Why nothing was found."""
    _transaction().follow_up()
    return await sql.lost(text=words, **{name: given[name] for name in _FILTERS})
