"""The screens, in the order of the menu."""

from collections.abc import Sequence

from ..screens import Screen
from . import (
    accesses,
    agent,
    agents,
    audit,
    centrality,
    dead_letters,
    encryption,
    explorer,
    feed,
    isolation,
    jobs,
    keys,
    limits,
    overview,
    paths,
    privacy,
    queues,
    relationships,
    retention,
    search,
    searches,
    sharing,
    task,
    tasks,
    tenant,
    tenants,
)

__all__ = ["SCREENS"]

SCREENS: Sequence[Screen] = (
    overview.SCREEN,
    agents.SCREEN,
    agent.SCREEN,
    search.SCREEN,
    searches.SCREEN,
    relationships.SCREEN,
    paths.SCREEN,
    centrality.SCREEN,
    feed.SCREEN,
    tasks.SCREEN,
    task.SCREEN,
    queues.SCREEN,
    dead_letters.SCREEN,
    jobs.SCREEN,
    sharing.SCREEN,
    privacy.SCREEN,
    retention.SCREEN,
    encryption.SCREEN,
    audit.SCREEN,
    accesses.SCREEN,
    explorer.SCREEN,
    keys.SCREEN,
    limits.SCREEN,
    tenants.SCREEN,
    tenant.SCREEN,
    isolation.SCREEN,
)
