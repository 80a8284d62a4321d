"""What a function that works on a task may raise to say how its attempt ends."""

from datetime import timedelta

__all__ = ["NotRetryable", "Parked", "Retry"]


class NotRetryable(Exception):
    """Another attempt would do no better: the task fails for good, and waits as a dead letter."""


class Retry(Exception):
    """The attempt failed, and the next one shall come after a time that is known here.

    Args:
        reason: what went wrong, for people.
        after: seconds, or a timedelta, until the next attempt; default: as the task says.
    """

    def __init__(self, reason: str = "tried again later", *, after: float | timedelta | None = None) -> None:
        super().__init__(reason)
        self.after = after.total_seconds() if isinstance(after, timedelta) else after


class Parked(BaseException):
    """The task waits now, and this attempt is over. No `except Exception` is to hold it up."""
