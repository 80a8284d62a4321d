"""Events: the log of writes as a feed, and the handlers that react to it."""

from .models import EventKind, HandlerState, ParkedEvent
from .service import Events

__all__ = ["EventKind", "Events", "HandlerState", "ParkedEvent"]
