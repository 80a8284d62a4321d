"""The screens, in the order of the menu."""

from collections.abc import Sequence

from ..screens import Screen
from . import agent, agents, explorer, feed, jobs, keys, overview, search, tenants

__all__ = ["SCREENS"]

SCREENS: Sequence[Screen] = (
    overview.SCREEN,
    agents.SCREEN,
    agent.SCREEN,
    search.SCREEN,
    feed.SCREEN,
    jobs.SCREEN,
    explorer.SCREEN,
    keys.SCREEN,
    tenants.SCREEN,
)
