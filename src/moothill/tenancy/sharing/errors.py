"""What sharing refuses."""

from ...kernel.errors import Conflict, Invalid, NotFound

__all__ = ["GrantExists", "GrantNotFound", "GrantToOneself", "GranteeUnknown", "NotShared", "TenantIsStrict"]


class GrantToOneself(Invalid):
    """A tenant reads its own data anyhow; grant to another one."""


class GranteeUnknown(NotFound):
    """There is no tenant with this id; ask the other side for what its `sharing.level` shows."""


class GrantExists(Conflict):
    """This tenant may read that class already; revoke the grant first to change it."""


class GrantNotFound(NotFound):
    """There is no grant with this id here; `sharing.grants` shows those that exist."""


class NotShared(NotFound):
    """Nobody of that name shares this with you; `sharing.received` shows what others share."""


class TenantIsStrict(Conflict):
    """This tenant is strict, so nothing leaves it; `sharing.set_level` opens it first."""
