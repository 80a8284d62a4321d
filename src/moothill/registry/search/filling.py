"""Work behind the scenes: vectors that wait to be made, and partitions that tenants grow into and out of.

A provider is asked before the transaction that stores what it made, so that nothing is locked, no connection is
kept and no feed held back while it answers.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from ...embeddings import EmbeddingProvider, embed
from ...kernel.context import context
from ...kernel.errors import Invalid
from ...kernel.service import Executor
from . import rules
from .asking import apart
from .index import half, in_parts
from .models import ModelServed, PlaceChanged
from .quality import tuning
from .rows import EmbeddableText
from .statements import sql
from .status import SearchModel

__all__ = ["ATTEMPTS", "Filled", "arrange", "make", "serve", "settle"]

# An item that its provider has refused so often is left to the operator; `search.models` counts it.
ATTEMPTS = 8
_LOCAL_TEXTS, _REMOTE_TEXTS = 512, 128
_COPIED, _INSERTED, _REMOVED = 20_000, 1_000, 5_000
# Other processes may ask a retired model for a few seconds yet.
_GRACE = timedelta(minutes=1)
# An index is built in one statement; nobody waits for it but the worker.
_LONGEST_STEP = timedelta(minutes=15)

_log = logging.getLogger("moothill.search")


@dataclass(frozen=True, slots=True)
class Filled:
    """Vectors that were made and are not stored yet.

    Attributes:
        model: the model that made them.
        texts: what they were made from.
        rows: one for each text; None where the text has none.
        refused: codes of the texts that the provider did not take.
    """

    model: str
    texts: Sequence[EmbeddableText]
    rows: Sequence[Any]
    refused: Mapping[UUID, str]


async def make(executor: Executor, provider: EmbeddingProvider) -> Filled:
    """Make the vectors of the items that have waited longest, outside of any transaction.

    Raises:
        Unavailable: the provider does not answer.
        Exhausted: its rate limit was reached.
    """
    size = _LOCAL_TEXTS if provider.local else _REMOTE_TEXTS
    texts = await apart(executor, lambda: sql.queued(model=provider.model, size=size, attempts=ATTEMPTS))
    if not texts:
        return Filled(provider.model, [], [], {})
    try:
        return Filled(provider.model, texts, await embed(provider, _embedded(texts)), {})
    except Invalid:
        # One of many was refused: find out which.
        rows: list[Any] = []
        refused: dict[UUID, str] = {}
        for text in texts:
            try:
                rows += await embed(provider, _embedded([text]))
            except Invalid as error:
                _log.warning(
                    "embedding_refused", extra={"item": str(text.id), "model": provider.model, "code": error.code}
                )
                rows.append(None)
                refused[text.id] = error.code
        return Filled(provider.model, texts, rows, refused)


async def settle(filled: Filled) -> int:
    """Store vectors whose texts are still the same, and note what was refused; how many were taken up."""
    made = [
        _settled(filled.model, text, row)
        for text, row in zip(filled.texts, filled.rows, strict=True)
        if text.id not in filled.refused
    ]
    await in_parts(sql.settle, made)
    for identifier, code in sorted(filled.refused.items()):
        await sql.refuse(model=filled.model, id=identifier, code=code)
    return len(filled.texts)


def _embedded(texts: Sequence[EmbeddableText]) -> list[str]:
    return [rules.embedding_text(text.title, text.body) for text in texts]


def _settled(model: str, text: EmbeddableText, row: object) -> dict[str, object]:
    return {
        "model": model,
        "id": text.id,
        "vector": half(row),
        "queued_at": text.queued_at,
        "digest": text.digest,
    }


async def serve(model: str) -> None:
    """Let a model answer from now on; the one before it is removed little by little."""
    before = await sql.retire(model=model)
    if await sql.serve(model=model) is not None:
        context().record(ModelServed(model=model, before=before))


async def arrange(
    model: SearchModel,
    *,
    threshold: int = rules.THRESHOLD,
    bulk: int = rules.BULK,
    longest: timedelta = _LONGEST_STEP,
) -> bool:
    """One step towards where the vectors of a model should lie; whether there is more to do.

    Args:
        model: as it stands in this tenant.
        threshold: with more vectors a tenant gets a partition of its own.
        bulk: up to so many vectors the index is built in one go.
        longest: the longest that one statement may take.

    Raises:
        LockTimeout: readers or writers kept the partition for too long; the next turn tries again.
    """
    if model.state is None:
        return False
    if model.state == "retired":
        return not await sql.forget(model=model.model, batch=_REMOVED, grace=_GRACE)
    due = rules.place_due(model.place, model.vectors, threshold)
    if model.place == "copying" or due == "own":
        await sql.take_time(milliseconds=int(longest.total_seconds() * 1000))
        step = await sql.promote(
            model=model.model,
            links=rules.LINKS,
            candidates=rules.CANDIDATES,
            batch=_COPIED if model.vectors <= bulk else _INSERTED,
            bulk=bulk,
        )
        if step.finished and step.place == "own":
            await _fit(model)
            context().record(PlaceChanged(model=model.model, place="own"))
        return not step.finished
    if model.place == "own" and not rules.is_measured(model.vectors, await sql.tuned(model=model.model)):
        await sql.take_time(milliseconds=int(longest.total_seconds() * 1000))
        await _fit(model)
    if due == "shared" and await sql.demote(model=model.model, most=threshold):
        context().record(PlaceChanged(model=model.model, place="shared"))
    return False


async def _fit(model: SearchModel) -> None:
    """Measure the tenant's own index, and have it searched as hard as its data ask."""
    effort = await tuning.fitting_effort(model, rules.effort(model.vectors))
    await sql.set_effort(model=model.model, effort=effort, vectors=model.vectors)
