"""From the capability of a hit back to the sentence that shows it."""

from uuid import UUID

from ...kernel.context import context
from ...kernel.service import Executor
from .models import HitEvidence, SearchHit, SearchResults

__all__ = ["MOST", "with_evidence"]

# Of each capability; `capabilities.evidence` pages through the rest.
MOST = 3


def capability_of(hit: SearchHit) -> UUID | None:
    """The capability that a hit is, or was found through."""
    if hit.kind == "capability":
        return hit.id
    through = hit.why.through
    return through.id if through is not None and through.kind == "capability" else None


async def with_evidence(executor: Executor, found: SearchResults) -> SearchResults:
    """The same hits with what shows their capabilities: one more statement for all of them."""
    # Capabilities are written with what finds them, so that subsystem imports this one.
    from ..capabilities import Capabilities

    wanted = {hit.id: capability for hit in found.hits if (capability := capability_of(hit)) is not None}
    if not wanted:
        return found
    transaction = context().transaction
    assert transaction is not None
    transaction.follow_up()
    shown: dict[UUID, list[HitEvidence]] = {}
    for each in await Capabilities(executor).evidence_of(capabilities=sorted(set(wanted.values())), most=MOST):
        shown.setdefault(each.capability, []).append(HitEvidence.model_validate(each, from_attributes=True))
    hits = [
        hit.model_copy(update={"evidence": shown.get(wanted[hit.id], [])}) if hit.id in wanted else hit
        for hit in found.hits
    ]
    return found.model_copy(update={"hits": hits})
