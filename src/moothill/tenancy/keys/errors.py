"""What keys refuse."""

from ...kernel.errors import Conflict, Forbidden, Invalid, NotFound, Unauthenticated

__all__ = [
    "KeyExpired",
    "KeyMissing",
    "KeyMistyped",
    "KeyNotFound",
    "KeyOfNobody",
    "KeyRevoked",
    "KeyUnknown",
    "NoKeyInUse",
    "TenantSuspended",
    "WhichKeys",
]


class KeyMissing(Unauthenticated):
    """This needs a key; send it as `Authorization: Bearer moot_...`."""


class KeyUnknown(Unauthenticated):
    """This key is not known here; check that it was copied whole and belongs to this server."""


class KeyMistyped(Unauthenticated):
    """The last six characters of this key do not fit the others; it was not copied whole."""


class KeyExpired(Unauthenticated):
    """This key has expired; ask an operator to issue a new one."""


class KeyRevoked(Unauthenticated):
    """This key was revoked; ask an operator to issue a new one."""


class KeyOfNobody(Unauthenticated):
    """The agent or the service account of this key was deactivated; ask an operator."""


class TenantSuspended(Forbidden):
    """The tenant of this key is suspended; ask the platform's operator."""


class KeyNotFound(NotFound):
    """There is no live key with this id in this tenant."""


class WhichKeys(Invalid):
    """Say which keys: of an agent, of a service account, made before a moment, or everything."""


class NoKeyInUse(Conflict):
    """No API key is in use here, so there is none to end."""
