"""Moothill: the system of record for societies of AI agents, on PostgreSQL.

import moothill

async with moothill.connect() as moot:
    await moot.agents.register(agent_id="ada", name="Ada")
"""

import logging
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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
    from .moot import Moot
    from .session import connect
    from .work.running import NotRetryable, Retry, TaskContext, Worker

__version__ = "0.1.0"

# Silent until somebody configures logging, as a library should be.
logging.getLogger(__name__).addHandler(logging.NullHandler())

__all__ = [
    "Conflict",
    "Exhausted",
    "Forbidden",
    "Internal",
    "Invalid",
    "Moot",
    "MoothillError",
    "NotFound",
    "NotRetryable",
    "Retry",
    "TaskContext",
    "Unauthenticated",
    "Unavailable",
    "Worker",
    "connect",
    "errors",
]


def __getattr__(name: str) -> Any:
    # Everything loads at its first use: pydantic alone takes longer than a command that only shows its help.
    found: Any
    if name == "connect":
        from .session import connect as found
    elif name == "Moot":
        from .moot import Moot as found
    elif name in ("NotRetryable", "Retry", "TaskContext", "Worker"):
        from .work import running

        found = getattr(running, name)
    elif name in __all__:
        from .kernel import errors

        found = errors if name == "errors" else getattr(errors, name)
    else:
        raise AttributeError(f"module 'moothill' has no attribute {name!r}")
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
