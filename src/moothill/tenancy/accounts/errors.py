"""What service accounts refuse."""

from ...kernel.errors import Conflict, NotFound

__all__ = ["AccountChanged", "AccountExists", "AccountGone", "AccountNotFound"]


class AccountNotFound(NotFound):
    """There is no service account of this name or id here; `accounts.list` shows those that exist."""


class AccountExists(Conflict):
    """A service account of this name is in use here; choose another name, or deactivate that one first."""


class AccountGone(Conflict):
    """This service account was deactivated and does not come back; register another one."""


class AccountChanged(Conflict):
    """Somebody changed this service account since it was read; read it again."""
