"""What the levels mean, and what a grant lets through."""

from collections.abc import Mapping, Sequence

from .models import DataClass, Level

__all__ = ["CLASSES", "LEVELS", "passes"]

LEVELS: Mapping[Level, str] = {
    "strict": "Nothing leaves the tenant: grants rest, and it takes no part in releases across tenants.",
    "shared": "Grants hold: others read what they name. It takes no part in releases across tenants.",
    "federated": "Grants hold, and the tenant takes part in releases across tenants if its privacy settings allow it.",
}
CLASSES: Mapping[DataClass, str] = {
    "agents": "The directory of agents, and search in it.",
    "capabilities": "What the agents can do.",
}


def passes(tag: str | None, tags: Sequence[str]) -> bool:
    """Whether a grant that is limited to a tag lets something with these tags through."""
    return tag is None or tag in tags
