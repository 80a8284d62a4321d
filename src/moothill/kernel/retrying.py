"""Trying a transaction again, for those who open their own."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

from .errors import MoothillError
from .local import RETRIES

__all__ = ["retried"]

T = TypeVar("T")


async def retried(attempt: Callable[[], Awaitable[T]]) -> T:
    """What a transaction gives, tried again when it was rolled back for no fault of its own.

    That is after a serialisation failure, a deadlock, or a change of the tenant's keys.
    """
    number = 0
    while True:
        try:
            return await attempt()
        except MoothillError as error:
            if not error.context.get("retry") or number == RETRIES - 1:
                raise
        await asyncio.sleep(random.uniform(0.25, 1.0) * 0.004 * 2**number)  # noqa: S311  # jitter, no secret
        number += 1
