"""What can go wrong with capabilities."""

from ...kernel.errors import Conflict, Forbidden, Invalid, NotFound


class CapabilityNotFound(NotFound):
    """There is no such capability in this tenant; `capabilities.list` shows those that exist."""


class CapabilityExists(Conflict):
    """The agent has a capability of this name already; update that one."""


class CapabilityChanged(Conflict):
    """The capability changed since you read it; read it again and repeat the change on that version."""


class CapabilityStatusConflict(Conflict):
    """The capability cannot come from its status to that one."""


class DemonstratedInFuture(Invalid):
    """A demonstration is more than five minutes in the future; set the clock that told it. Nothing was changed."""


class TooManyCapabilities(Invalid):
    """An agent has at most 1,000 capabilities; remove some, or describe it more widely."""


class OwnCapability(Forbidden):
    """An agent does not judge its own capabilities; ask another."""


class RecordNotYours(Forbidden):
    """What another system knows is taken over from an operator, not from an agent."""
