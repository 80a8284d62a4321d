"""Work behind the scenes: vectors that wait to be made, and partitions that tenants grow into and out of.

Each function is one step in one transaction. A provider is asked before the step writes anything, so
that nothing is locked, and no feed held back, while it answers.
"""

import logging
from datetime import timedelta

from ...embeddings import EmbeddingProvider, embed
from ...kernel.context import context
from ...kernel.errors import Invalid
from . import rules
from .index import half, in_parts
from .models import EmbeddableText, ModelServed, PlaceChanged, SearchModel
from .quality import tuning
from .statements import sql

__all__ = ["ATTEMPTS", "arrange", "fill", "serve"]

# An item that its provider has refused so often is left to the operator; `search.models` counts it.
ATTEMPTS = 8
_LOCAL_TEXTS, _REMOTE_TEXTS = 512, 128
_COPIED, _INSERTED, _REMOVED = 20_000, 1_000, 5_000
# Other processes may ask a retired model for a few seconds yet.
_GRACE = timedelta(minutes=1)
# An index is built in one statement; nobody waits for it but the worker.
_LONGEST_STEP = timedelta(minutes=15)

_log = logging.getLogger("moothill.search")


async def fill(provider: EmbeddingProvider) -> int:
    """Make the vectors of the items that have waited longest; how many were taken up.

    Raises:
        Unavailable: the provider does not answer.
        Exhausted: its rate limit was reached.
    """
    size = _LOCAL_TEXTS if provider.local else _REMOTE_TEXTS
    texts = await sql.queued(model=provider.model, size=size, attempts=ATTEMPTS)
    if not texts:
        return 0
    try:
        rows = await embed(provider, [rules.embedding_text(text.title, text.body) for text in texts])
    except Invalid:
        for text in texts:
            await _fill_one(provider, text)
        return len(texts)
    await in_parts(sql.settle, [_settled(provider, text, row) for text, row in zip(texts, rows, strict=True)])
    return len(texts)


async def _fill_one(provider: EmbeddingProvider, text: EmbeddableText) -> None:
    """One of many texts was refused: find out which."""
    try:
        rows = await embed(provider, [rules.embedding_text(text.title, text.body)])
    except Invalid as error:
        _log.warning("embedding_refused", extra={"item": str(text.id), "model": provider.model, "code": error.code})
        await sql.refuse(model=provider.model, id=text.id, code=error.code)
        return
    await in_parts(sql.settle, [_settled(provider, text, rows[0])])


def _settled(provider: EmbeddingProvider, text: EmbeddableText, row: object) -> dict[str, object]:
    return {
        "model": provider.model,
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
