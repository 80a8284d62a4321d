"""`moothill up`: the server process."""

from .logs import configure_logging
from .process import Announcement, run, serve

__all__ = ["Announcement", "configure_logging", "run", "serve"]
