"""Queues: pause and resume them, and give their groups shares and limits."""

from .models import Queue, QueueGroup
from .service import Queues

__all__ = ["Queue", "QueueGroup", "Queues"]
