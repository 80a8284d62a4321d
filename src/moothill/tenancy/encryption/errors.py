"""What encryption refuses."""

from ...kernel.errors import Conflict

__all__ = ["EncryptionBusy", "EncryptionOff"]


class EncryptionOff(Conflict):
    """This tenant does not encrypt; `encryption.enable` first."""


class EncryptionBusy(Conflict):
    """Another change of this tenant's keys came first; look at `encryption.status`, then repeat it."""
