"""Moothill: the system of record for societies of AI agents, on PostgreSQL.

import moothill

async with moothill.connect() as moot:
    await moot.agents.register(agent_id="ada", name="Ada")
"""

from typing import TYPE_CHECKING, Any

from .kernel import errors
from .kernel.errors import (
    Conflict,
    Exhausted,
    Forbidden,
    Internal,
    Invalid,
    MoothillError,
    NotFound,
    Unauthenticated,
    Unavailable,
)

if TYPE_CHECKING:
    from .moot import Moot
    from .session import connect

__version__ = "0.1.0"

__all__ = [
    "Conflict",
    "Exhausted",
    "Forbidden",
    "Internal",
    "Invalid",
    "Moot",
    "MoothillError",
    "NotFound",
    "Unauthenticated",
    "Unavailable",
    "connect",
    "errors",
]


def __getattr__(name: str) -> Any:
    # The database driver and the services load at the first use, so that importing stays cheap.
    if name == "connect":
        from .session import connect

        return connect
    if name == "Moot":
        from .moot import Moot

        return Moot
    raise AttributeError(f"module 'moothill' has no attribute {name!r}")
