"""What can go wrong with sealed values and their keys. No message tells a value or a key."""

from ...kernel.errors import Conflict, Internal, Invalid, NotFound, Unavailable

__all__ = [
    "EncryptionNotConfigured",
    "KeyEncryptionInvalid",
    "KeyEncryptionMissing",
    "KeyEncryptionUnavailable",
    "SealBroken",
    "TenantKeysChanged",
    "ValueShredded",
]


class TenantKeysChanged(Conflict):
    """The encryption of this tenant changed while this ran; nothing was changed, try again."""


class SealBroken(Internal):
    """A sealed value is not what was sealed there: it was changed, or moved from another place."""


class ValueShredded(NotFound):
    """The keys of this tenant were destroyed, so this value cannot be read any more."""


class EncryptionNotConfigured(Conflict):
    """No key-encryption key is configured; set `kek_file`, `keks` or `kms` first (see the settings)."""


class KeyEncryptionInvalid(Invalid):
    """The key-encryption keys cannot be used as they are configured."""


class KeyEncryptionMissing(Unavailable):
    """The key-encryption key that wraps this tenant's data key is not configured here; bring it back."""


class KeyEncryptionUnavailable(Unavailable):
    """The service that holds the key-encryption keys does not answer; try again later."""
