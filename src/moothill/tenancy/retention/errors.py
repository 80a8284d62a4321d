"""What retention refuses."""

from ...kernel.errors import Conflict, Forbidden, Invalid, NotFound, Unavailable

__all__ = [
    "ArchiveDamaged",
    "ArchiveNotConfigured",
    "ClassUnknown",
    "ErasureUnderWay",
    "HoldNotFound",
    "HoldOfPlatform",
    "NoArchiveLibrary",
    "PolicyRefused",
]


class ClassUnknown(NotFound):
    """There is no such class of data; `retention.policies` lists them."""


class PolicyRefused(Invalid):
    """This class of data does not allow that policy."""


class ArchiveNotConfigured(Conflict):
    """This server has no folder for archives; set MOOTHILL_ARCHIVE_FOLDER, on a disk that all workers share."""


class NoArchiveLibrary(Conflict):
    """Archives need pyarrow; install `moothill[archive]`."""


class ArchiveDamaged(Unavailable):
    """What was read back from the new archive is not what was written; nothing was deleted, and it is tried again."""


class HoldNotFound(NotFound):
    """There is no legal hold with this id here that could be released; `retention.holds` shows those that stand."""


class HoldOfPlatform(Forbidden):
    """The platform's operator placed this hold, and alone releases it; ask there."""


class ErasureUnderWay(Conflict):
    """This is being erased already, so nothing can be held any more."""
