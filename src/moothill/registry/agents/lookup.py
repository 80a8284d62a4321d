"""Finding the agent that a reference names; other subsystems of the registry find agents through this too."""

from pydantic import BaseModel

from ...database.queries import Many, Maybe, Queries
from ...kernel.context import context
from ...kernel.errors import near_match
from ...kernel.texts import id_of
from .errors import AgentIsDeactivated, AgentNotFound
from .models import Agent

__all__ = ["find_agent", "find_live_agent", "live", "unknown_agent"]


class _Beside(BaseModel):
    agent_id: str
    name: str


class Sql(Queries):
    """Statements that find agents."""

    file = "lookup.sql"
    fragments = ("columns.sql",)

    by_reference: Maybe[Agent]
    by_key: Maybe[Agent]
    near: Many[_Beside]


sql = Sql()


async def find_agent(reference: str) -> Agent:
    """The agent of an id or key, whatever its status.

    Raises:
        AgentNotFound: there is none in this tenant; the message has a near match.
    """
    identifier = id_of(reference)
    if identifier is None:
        found = await sql.by_key(key=reference)
    else:
        found = await sql.by_reference(key=reference, id=identifier)
    if found is None:
        raise await unknown_agent(reference)
    return found


async def find_live_agent(reference: str) -> Agent:
    """The agent of an id or key, if it was not deactivated.

    Raises:
        AgentNotFound: there is none in this tenant.
        AgentIsDeactivated: it was deactivated.
    """
    return live(await find_agent(reference))


def live(found: Agent) -> Agent:
    """An agent that was found, if it was not deactivated.

    Raises:
        AgentIsDeactivated: it was.
    """
    if found.deactivated_at is not None:
        raise AgentIsDeactivated(
            f"Agent {found.agent_id} was deactivated; `agents.reactivate` brings it back.", agent=found.agent_id
        )
    return found


async def unknown_agent(reference: str) -> AgentNotFound:
    """The error for a reference that names nobody, with the nearest key or name that exists."""
    call = context()
    if call.transaction is not None:
        call.transaction.follow_up()
    beside = await sql.near(key=reference)
    hint = near_match(reference, [agent.agent_id for agent in beside])
    if not hint:
        keys = {agent.name.lower(): agent.agent_id for agent in beside}
        by_name = near_match(reference.lower(), keys)
        hint = f' Did you mean "{keys[by_name.split(chr(34))[1]]}"?' if by_name else ""
    return AgentNotFound(
        f"There is no agent {reference!r} in this tenant.{hint or ' `agents.list` shows those that exist.'}",
        agent=reference,
    )
