"""The worker of an application: it takes tasks, runs functions on them, and reports how they end."""

from .context import BlockingContext, TaskContext
from .signals import NotRetryable, Retry
from .worker import Worker

__all__ = ["BlockingContext", "NotRetryable", "Retry", "TaskContext", "Worker"]
