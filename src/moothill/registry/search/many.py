"""Many queries at once: their vectors are made in one call, their answers in one transaction."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from ...kernel.errors import MoothillError
from ...kernel.service import Executor
from . import asking
from .entries import Question
from .models import ManyResults, SearchQuery, SearchResults
from .sessions.recorder import noted, seen

__all__ = ["Prepared", "answer", "prepare"]

_FIELDS = ("text", "vector", "kinds", "mode", "filters", "limit", "weights", "graph", "boosts")


@dataclass(frozen=True, slots=True)
class Prepared:
    """A query of many, ready to be asked."""

    asked: Question
    query: SearchQuery


def _whole(query: SearchQuery, shared: SearchQuery | None) -> SearchQuery:
    """A query with what it leaves out taken from the shared one; a text of its own leaves out a shared vector."""
    if shared is None:
        return query
    left_out = {name: getattr(shared, name) for name in _FIELDS if getattr(query, name) is None}
    if query.text is not None or query.vector is not None:
        left_out = {name: value for name, value in left_out.items() if name not in ("text", "vector")}
    return query.model_copy(update=left_out)


def _numbered(error: MoothillError, number: int) -> MoothillError:
    """The same refusal, naming which of the queries it is about."""
    told = {**error.context, "query": number}
    told["field"] = f"queries.{number}" + (f".{told['field']}" if told.get("field") else "")
    return type(error)(f"Query {number}: {error.message}", **told)


async def prepare(executor: Any, queries: Sequence[SearchQuery], shared: SearchQuery | None) -> list[Prepared]:
    """Understand every query, and make the vectors of all texts in one call.

    Raises:
        MoothillError: a query is bad; its number is told, from 0.
    """
    whole = [_whole(query, shared) for query in queries]
    made = await asking.vectors_for(executor, [each.text for each in whole if _wants_vector(each)])
    prepared: list[Prepared] = []
    for number, each in enumerate(whole):
        ready = made if _wants_vector(each) else None
        try:
            asked = await asking.worded_question(
                executor, text=each.text, vector=each.vector, mode=each.mode or "hybrid", made=ready
            )
        except MoothillError as error:
            raise _numbered(error, number) from None
        prepared.append(Prepared(asked, each))
    if prepared and made is not None:
        # What one call took for all is said once.
        prepared[0] = replace(prepared[0], asked=replace(prepared[0].asked, milliseconds=made.milliseconds))
    return prepared


def _wants_vector(query: SearchQuery) -> bool:
    return query.text is not None and query.vector is None and query.mode != "text"


async def answer(executor: Executor, prepared: Sequence[Prepared]) -> ManyResults:
    """The answers, in order, each with its own hits, notes and times.

    Raises:
        MoothillError: a query names what does not exist; its number is told, from 0.
    """
    results: list[SearchResults] = []
    for number, each in enumerate(prepared):
        query = each.query
        try:
            told = await asking.answer(
                each.asked,
                kinds=query.kinds,
                filters=query.filters,
                limit=query.limit or 10,
                weights=query.weights,
                graph=query.graph,
                boosts=query.boosts,
            )
        except MoothillError as error:
            raise _numbered(error, number) from None
        asked_for = seen(
            text=query.text,
            vector=query.vector,
            kinds=query.kinds,
            filters=query.filters,
            limit=query.limit or 10,
            graph=query.graph,
            measured=told.measured,
        )
        results.append(noted(executor, told.results, asked_for))
    return ManyResults(results=results)
