"""What people and agents make of hits."""

from typing import Annotated
from uuid import UUID

from pydantic import Field

from ....kernel.context import context
from ....kernel.errors import Invalid, NotFound
from ....kernel.operation import operation
from ....kernel.service import Service
from ..sessions.recorder import written_down
from .models import Feedback, FeedbackGiven, Verdict
from .statements import sql

__all__ = ["feedback"]


class SearchSessionNotFound(NotFound):
    """There is no such search here; it is kept about a second after its answer, and for as long as its class is."""


class NotAHit(Invalid):
    """This was not among the hits of that search."""


@operation(
    effect="write",
    scope="search:feedback",
    audience="agent",
    example={
        "session": "018f0000-0000-7000-8000-000000000000",
        "item": "018f0000-0000-7000-8000-000000000000",
        "verdict": "chosen",
    },
)
async def feedback(
    self: Service,
    *,
    session: Annotated[UUID, Field(description="`session` of the search's result.")],
    item: Annotated[UUID, Field(description="Id of one of its hits.")],
    verdict: Annotated[Verdict, Field(description="clicked: looked at; chosen: used; rejected: not what was meant.")],
) -> Feedback:
    """Say what a hit was worth, so that search can be measured by it; saying it twice changes nothing.

    Raises:
        SearchSessionNotFound: there is no such search, or it is not written down yet.
        NotAHit: the item was not among its hits.
    """
    found = await sql.session_of(session=session, item=item)
    if found is None:
        raise SearchSessionNotFound(
            f"There is no search {session} here, or it is not written down yet: try again in a second; "
            "`search.sessions` shows those that are kept.",
            session=str(session),
        )
    if found.position is None:
        raise NotAHit(f"{item} was not among the hits of that search.", field="item", session=str(session))
    call = context()
    is_new = await sql.give(
        session=session,
        item=item,
        verdict=verdict,
        position=found.position,
        query_hash=found.query_hash,
        actor=call.actor.id,
    )
    if is_new:
        call.record(FeedbackGiven(session=session, verdict=verdict, position=found.position), subject=item)
    return Feedback(session=session, item=item, verdict=verdict, position=found.position, new=bool(is_new))


@feedback.prepare
async def _written(self: Service, *, session: UUID, item: UUID, verdict: Verdict) -> None:
    # A search of a moment ago, made in this process, may still wait to be written.
    await written_down(self.executor)
