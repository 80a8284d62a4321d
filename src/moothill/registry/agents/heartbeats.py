"""Heartbeats: how agents are, in bulk, by one statement that writes its own events."""

from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, Field

from ...database.queries import Many, Queries
from ...kernel.context import context
from ...kernel.identifiers import uuid7
from ...kernel.operation import operation
from ...kernel.service import Service
from ...kernel.texts import id_of
from .errors import AgentIsDeactivated, AgentNotFound, HeartbeatFromFuture, HeartbeatStale, NotYourself
from .reports import Heartbeat, HeartbeatReport, HeartbeatResult

__all__ = ["heartbeat"]


class _Judged(BaseModel):
    position: int
    given: str
    agent: UUID | None
    outcome: str
    status: str | None


class Sql(Queries):
    """The statement of heartbeats."""

    file = "heartbeats.sql"

    beat: Many[_Judged]


sql = Sql()

_REFUSALS = {
    "unknown": (AgentNotFound, "There is no agent {names} in this tenant"),
    "foreign": (NotYourself, "This key speaks for its own agent alone, not for {names}"),
    "deactivated": (AgentIsDeactivated, "{names} was deactivated; `agents.reactivate` brings an agent back"),
    "future": (HeartbeatFromFuture, "More than five minutes in the future: the heartbeat of {names}"),
}


@operation(
    effect="write",
    scope="agents:heartbeat",
    audience="agent",
    mode="single",
    example={"beats": [{"agent": "alderman", "status": "busy", "active_tasks": 3, "utilisation": "0.9"}]},
)
async def heartbeat(
    self: Service,
    *,
    beats: Annotated[list[Heartbeat], Field(min_length=1, max_length=1000, description="The heartbeats.")],
) -> HeartbeatReport:
    """Say how agents are: status and load, for up to 1,000 agents at once.

    A heartbeat older than the newest that is known changes nothing and is reported as stale; of several for
    one agent the newest counts. An agent that is suspended or in maintenance stays so. A batch is one event;
    each status that changed is one of its own.

    Raises:
        AgentNotFound, AgentIsDeactivated, NotYourself, HeartbeatFromFuture: for one of them; nothing was changed.
        HeartbeatStale: for all of them; nothing was changed.
    """
    call = context()
    speaks_for_itself = call.actor.kind == "agent" and not call.principal.may("agents:write")
    judged = await sql.beat(
        agents=[beat.agent for beat in beats],
        row_ids=[id_of(beat.agent) for beat in beats],
        statuses=[beat.status for beat in beats],
        active_tasks=[beat.active_tasks for beat in beats],
        queued_tasks=[beat.queued_tasks for beat in beats],
        utilisations=[beat.utilisation for beat in beats],
        moments=[beat.at for beat in beats],
        event_ids=[uuid7() for _ in beats],
        speaker=call.actor.id if speaks_for_itself else None,
        **call.envelope(),
    )
    _refuse(judged)
    results = [
        HeartbeatResult.model_validate(
            {"position": each.position, "agent": each.agent, "outcome": each.outcome, "status": each.status}
        )
        for each in judged
    ]
    accepted = sum(result.outcome == "accepted" for result in results)
    return HeartbeatReport(accepted=accepted, stale=len(results) - accepted, results=results)


def _refuse(judged: list[_Judged]) -> None:
    for outcome, (error, words) in _REFUSALS.items():
        found = [each for each in judged if each.outcome == outcome]
        if found:
            names = ", ".join(repr(each.given) for each in found[:5]) + (" and others" if len(found) > 5 else "")
            raise error(
                f"{words.format(names=names)}; nothing was changed.",
                agents=[each.given for each in found[:100]],
                positions=[each.position for each in found[:100]],
            )
    if all(each.outcome == "stale" for each in judged):
        raise HeartbeatStale(agents=[each.given for each in judged[:100]])
