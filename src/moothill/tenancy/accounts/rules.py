"""What a service account's key may do."""

from collections.abc import Iterable

from ...kernel.scopes import within

__all__ = ["ALWAYS", "scopes_in_force"]

# Whoever holds a key may ask who that makes it, and end it.
ALWAYS = "keys:self"


def scopes_in_force(scopes: Iterable[str], ceiling: Iterable[str] | None) -> frozenset[str]:
    """The scopes of a key under the ceiling of its service account, if it has one."""
    held = frozenset(scopes) if ceiling is None else within(scopes, ceiling)
    return held | {ALWAYS}
