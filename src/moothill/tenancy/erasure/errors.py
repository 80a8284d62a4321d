"""What erasure refuses."""

from ...kernel.errors import Conflict, Forbidden, Invalid, NotFound, Unavailable

__all__ = [
    "ErasesItself",
    "NoSigningKey",
    "ReportAltered",
    "ReportNotFound",
    "ReportRaced",
    "TargetUnknown",
    "UnderLegalHold",
]


class UnderLegalHold(Conflict):
    """A legal hold stands in the way; `retention.holds` shows it, and `retention.release` releases it."""


class ErasesItself(Forbidden):
    """Nobody erases itself; ask from another tenant, or as another actor."""


class TargetUnknown(NotFound):
    """There is no such thing to erase."""


class NoSigningKey(Conflict):
    """Reports of erasures are signed, and this server has no key; set MOOTHILL_SIGNING_KEY(_FILE)."""


class ReportAltered(Invalid):
    """This is not what was signed."""


class ReportNotFound(NotFound):
    """There is no report with this number here; `erasure.reports` shows those that exist."""


class ReportRaced(Unavailable):
    """Another erasure ended at the same moment; this one is tried again."""
