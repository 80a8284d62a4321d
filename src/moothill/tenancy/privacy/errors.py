"""What privacy refuses. No refusal depends on anybody's data: only on the question, the settings and the ledger."""

from ...kernel.errors import Conflict, Exhausted, Internal, Invalid, NotFound, Unavailable

__all__ = [
    "ContributionOutOfBounds",
    "LabelsNotTaken",
    "LabelsWanted",
    "LevelNotOffered",
    "MechanismDisagrees",
    "PrivacyBudgetExhausted",
    "PrivacyChanged",
    "PrivacyExtraMissing",
    "QueryUnknown",
    "ReleaseInProgress",
    "ReleaseLost",
]


class LevelNotOffered(Invalid):
    """The privacy level secure needs computation among several parties, which is not offered; choose differential."""


class PrivacyChanged(Conflict):
    """Somebody changed the privacy settings meanwhile; read them again and repeat the change."""


class QueryUnknown(NotFound):
    """There is no query of this name; `privacy.queries` lists those that may be asked."""


class LabelsWanted(Invalid):
    """This query is about labels that you name; give some."""


class LabelsNotTaken(Invalid):
    """This query finds the common labels itself; give none."""


class PrivacyBudgetExhausted(Exhausted):
    """The privacy budget of this epoch does not reach for this release; nothing was spent."""


class ReleaseInProgress(Unavailable):
    """The same question is being answered at this moment; ask again in a minute, and the answer is free."""


class ReleaseLost(Unavailable):
    """The release was paid for and could not be drawn; what it cost is spent, and asking again costs it again."""


class PrivacyExtraMissing(Unavailable):
    """Noise is drawn by a library that is not installed here; on the server run: pip install "moothill[privacy]"."""


class MechanismDisagrees(Internal):
    """The library reckons the privacy loss of this noise higher than we do; nothing was spent or released."""


class ContributionOutOfBounds(Internal):
    """A contribution went beyond the bounds of its plan; nothing was released."""
