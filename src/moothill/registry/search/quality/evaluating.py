"""Measuring search by a judged set, mode by mode."""

from collections.abc import Mapping
from typing import Annotated, cast, get_args
from uuid import UUID

from pydantic import Field

from ....kernel.context import CallOptions, context
from ....kernel.operation import operation
from ....kernel.service import REGISTRY, Service
from ..models import SearchMode, SearchResults
from . import rules
from .judging import not_found
from .models import Evaluation, ModeQuality, QueryQuality, SetName
from .statements import AskedQuery, alone, sql

__all__ = ["evaluate"]

_MODES: tuple[SearchMode, ...] = get_args(SearchMode)


@operation(effect="read", scope="search:read", audience="operator", mode="none", example={"judged_set": "demo"})
async def evaluate(
    self: Service,
    *,
    judged_set: SetName,
    modes: Annotated[
        list[SearchMode] | None, Field(min_length=1, max_length=3, description="Only these modes; default: all three.")
    ] = None,
    queries: Annotated[int, Field(ge=1, le=1000, description="Most queries of the set, in its order.")] = 200,
    detail: Annotated[bool, Field(description="Tell the figures of each query too, the worst first.")] = False,
) -> Evaluation:
    """How well search answers a judged set: nDCG@10, recall@10, MRR and precision@10, mode beside mode.

    Each query is a search of its own, which leaves no session. Items that cannot be found any more do not count.

    Raises:
        JudgedSetNotFound: there is none of this name.
    """
    async with alone(self.executor):
        asked = await sql.to_ask(judged_set=judged_set, size=queries)
    if not asked:
        raise not_found(judged_set)
    judged = {each.id: _judged(each) for each in asked}
    answerable = [each for each in asked if any(judged[each.id].values())]
    chosen = tuple(dict.fromkeys(modes or _MODES))
    measured: dict[SearchMode, list[QueryQuality]] = {mode: [] for mode in chosen}
    for number, query in enumerate(answerable):
        context().progress(number, len(answerable), "searching")
        # In turn, so that a slow moment of the machine hits every mode.
        for mode in chosen:
            measured[mode].append(await _measured(self, query, mode, judged[query.id]))
    every = [each for mode in chosen for each in measured[mode]]
    return Evaluation(
        judged_set=judged_set,
        queries=len(answerable),
        skipped=len(asked) - len(answerable),
        missing=sum(not there for each in asked for there in each.there),
        modes=[_mean(mode, measured[mode]) for mode in chosen] if answerable else [],
        detail=sorted(every, key=lambda each: (each.ndcg, each.query, each.mode)) if detail else [],
    )


def _judged(query: AskedQuery) -> dict[UUID, int]:
    return {item: grade for item, grade, there in zip(query.items, query.grades, query.there, strict=True) if there}


async def _measured(self: Service, query: AskedQuery, mode: SearchMode, judged: Mapping[UUID, int]) -> QueryQuality:
    given = {"text": query.query_text, "kinds": query.kinds, "mode": mode, "limit": rules.DEPTH}
    answer = await self.executor.run(REGISTRY["search.find"], given, CallOptions())
    results = cast(SearchResults, answer)
    found = [hit.id for hit in results.hits]
    return QueryQuality(
        query=query.query_text,
        mode=mode,
        ndcg=round(rules.ndcg(found, judged), 4),
        recall=round(rules.recall(found, judged), 4),
        reciprocal_rank=round(rules.reciprocal_rank(found, judged), 4),
        precision=round(rules.precision(found, judged), 4),
        hits=len(found),
        milliseconds=round(results.timing.embedding_ms + results.timing.database_ms, 3),
    )


def _mean(mode: SearchMode, of: list[QueryQuality]) -> ModeQuality:
    taken = [each.milliseconds for each in of]
    return ModeQuality(
        mode=mode,
        ndcg=round(sum(each.ndcg for each in of) / len(of), 4),
        recall=round(sum(each.recall for each in of) / len(of), 4),
        mrr=round(sum(each.reciprocal_rank for each in of) / len(of), 4),
        precision=round(sum(each.precision for each in of) / len(of), 4),
        p50_ms=rules.percentile(taken, 0.5),
        p95_ms=rules.percentile(taken, 0.95),
    )
