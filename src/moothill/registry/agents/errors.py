"""What can go wrong with agents."""

from ...kernel.errors import Conflict, Forbidden, Invalid, NotFound


class AgentNotFound(NotFound):
    """There is no such agent in this tenant; `agents.list` shows those that exist."""


class AgentExists(Conflict):
    """An agent with this `agent_id` exists already; choose another, or update that one."""


class AgentChanged(Conflict):
    """The agent changed since you read it; read it again and repeat the change on that version."""


class AgentIsDeactivated(Conflict):
    """The agent was deactivated; `agents.reactivate` brings it back."""


class AgentStatusConflict(Conflict):
    """The agent cannot come from its status to that one."""


class HeartbeatStale(Conflict):
    """All of these heartbeats are older than what is known of their agents; nothing was changed."""


class HeartbeatFromFuture(Invalid):
    """A heartbeat is more than five minutes in the future; set the sender's clock. Nothing was changed."""


class NotYourself(Forbidden):
    """An agent's key without `agents:write` speaks for that agent alone."""


class SkillNotFound(NotFound):
    """The agent has no such skill; `agents.skills` shows those that it has."""


class CatalogueRefused(Invalid):
    """The catalogue has bad records, so nothing of it was imported; mend them, or give `skip_bad`."""
