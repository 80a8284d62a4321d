"""The web console: a process of its own that talks to a society through the SDK alone."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .app import Console
    from .server import run, serve

__all__ = ["Console", "run", "serve"]


def __getattr__(name: str) -> Any:
    # The web framework loads at the first use: it is an extra, and slow to import.
    if name not in __all__:
        raise AttributeError(f"module 'moothill.console' has no attribute {name!r}")
    try:
        if name == "Console":
            from .app import Console

            return Console
        from . import server
    except ModuleNotFoundError as missing:
        if (missing.name or "").partition(".")[0] not in ("nicegui", "fastapi", "uvicorn"):
            raise
        from ..kernel.errors import Unavailable

        raise Unavailable("The console is not installed; `pip install 'moothill[console]'` installs it.") from None
    return getattr(server, name)
