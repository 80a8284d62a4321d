"""Telling the other server processes what this one spent of limits of calls, once a second and all at once."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass

from ...database.control import share_rates
from ...database.pool import Database
from ...kernel.errors import MoothillError
from ...kernel.rates import Rates

__all__ = ["RatesShared"]

SHARE_SECONDS = 1.0

_log = logging.getLogger("moothill.limits")


@dataclass(frozen=True, slots=True)
class RatesShared:
    """Shares the buckets of one process through its database."""

    rates: Rates
    database: Database

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Share now and then, until the end of the block."""
        task = asyncio.create_task(self._now_and_then(), name="rates")
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait([task])
            await self.share()

    async def share(self) -> None:
        """Tell what was spent, and hear what is left; what cannot be told now is told with the next."""
        spent = self.rates.collect()
        if not spent:
            return
        try:
            left = await share_rates(self.database, spent)
        except MoothillError as error:
            self.rates.restore(spent)
            _log.warning("rates_not_shared", extra={"code": error.code})
            return
        for tenant, name, tokens in left:
            self.rates.adopt(tenant, name, tokens)

    async def _now_and_then(self) -> None:
        while True:
            await asyncio.sleep(SHARE_SECONDS)
            await self.share()
