"""The screens, in the order of the menu."""

from collections.abc import Sequence

from ..screens import Screen
from . import explorer, feed, jobs, keys, overview, tenants

__all__ = ["SCREENS"]

SCREENS: Sequence[Screen] = (
    overview.SCREEN,
    feed.SCREEN,
    jobs.SCREEN,
    explorer.SCREEN,
    keys.SCREEN,
    tenants.SCREEN,
)
