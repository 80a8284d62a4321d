"""The state machine of a tenant."""

from collections.abc import Mapping

from .models import TenantStatus

# From each status to those that may follow it.
TRANSITIONS: Mapping[TenantStatus, tuple[TenantStatus, ...]] = {
    "active": ("suspended",),
    "suspended": ("active",),
    "erasing": (),
}


def before(status: TenantStatus) -> TenantStatus:
    """The status that a tenant must be in to move to `status`."""
    (found,) = [old for old, following in TRANSITIONS.items() if status in following]
    return found
