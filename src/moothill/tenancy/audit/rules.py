"""How what a write changed is shown."""

from collections.abc import Mapping, Sequence
from typing import Any

from .models import Change

__all__ = ["listed"]


def listed(changes: Mapping[str, Sequence[Any]] | None) -> list[Change]:
    """Changes as they are kept (field -> [before, after]), as a list in the order of the fields."""
    return [Change(field=name, before=sides[0], after=sides[1]) for name, sides in sorted((changes or {}).items())]
