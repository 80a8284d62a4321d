"""What else an erasure of a tenant destroys: keys of its data, copies elsewhere. Other subsystems say so here."""

from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar
from uuid import UUID

from ...kernel.service import Executor

__all__ = ["Destroyer", "destroyers", "destroys"]

Destroyer = Callable[[Executor, UUID], Awaitable[int]]
D = TypeVar("D", bound=Destroyer)

_DESTROYERS: dict[str, Destroyer] = {}


def destroys(name: str) -> Callable[[D], D]:
    """Let the erasure of a tenant call this function last, in the transaction in which the tenant goes.

    It takes the executor and the tenant's id and tells how many things it destroyed, which the report then says
    under this name. It may be called again after a crash. Destroying a tenant's data key belongs here.
    """

    def keep(function: D) -> D:
        if name in _DESTROYERS:
            raise TypeError(f"something else is destroyed under the name {name!r}; choose another")
        _DESTROYERS[name] = function
        return function

    return keep


def destroyers() -> Mapping[str, Destroyer]:
    """Everything that is destroyed with a tenant, by name."""
    return dict(sorted(_DESTROYERS.items()))
