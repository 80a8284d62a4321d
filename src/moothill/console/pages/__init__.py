"""The screens, in the order of the menu."""

from collections.abc import Sequence

from ..screens import Screen
from . import (
    accesses,
    agent,
    agents,
    audit,
    centrality,
    explorer,
    feed,
    isolation,
    jobs,
    keys,
    overview,
    paths,
    privacy,
    relationships,
    search,
    sharing,
    tenant,
    tenants,
)

__all__ = ["SCREENS"]

SCREENS: Sequence[Screen] = (
    overview.SCREEN,
    agents.SCREEN,
    agent.SCREEN,
    search.SCREEN,
    relationships.SCREEN,
    paths.SCREEN,
    centrality.SCREEN,
    feed.SCREEN,
    jobs.SCREEN,
    sharing.SCREEN,
    privacy.SCREEN,
    audit.SCREEN,
    accesses.SCREEN,
    explorer.SCREEN,
    keys.SCREEN,
    tenants.SCREEN,
    tenant.SCREEN,
    isolation.SCREEN,
)
