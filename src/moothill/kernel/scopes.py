"""Scopes: what may be done, as `group:verb`, `group:*`, or `*` for everything beneath the platform."""

from collections.abc import Iterable, Set
from typing import Annotated

from pydantic import Field

__all__ = ["Scope", "covers", "within"]

Scope = Annotated[str, Field(pattern=r"^(\*|[a-z][a-z_]{0,30}:(\*|[a-z][a-z_]{0,30}))$")]


def covers(held: Set[str], scope: str) -> bool:
    """Whether scopes cover one. `*` covers a tenant, never the platform above it."""
    group = scope.partition(":")[0]
    wide = () if group == "platform" else ("*",)
    return not held.isdisjoint((scope, f"{group}:*", *wide))


def within(scopes: Iterable[str], ceiling: Iterable[str]) -> frozenset[str]:
    """What is left of scopes under a ceiling: what either covers of the other."""
    asked, most = frozenset(scopes), frozenset(ceiling)
    return frozenset([*(each for each in asked if covers(most, each)), *(each for each in most if covers(asked, each))])
