"""Somebody who spends, in a process of their own.

`python -m tests.integration.privacy.spender DSN TENANT HOW FIRST LAST`

HOW is `race`: wait at the barrier, then ask one question for each k from FIRST to LAST, all at once, and say what
came of each; or `hang`: ask the one with k = FIRST, and stop for good when it was paid for and not yet drawn.
"""

import asyncio
import sys
import time
from decimal import Decimal
from typing import Any

import psycopg

from moothill.kernel.errors import MoothillError
from moothill.kernel.settings import Settings
from moothill.moot import Moot
from moothill.session import open_database
from moothill.tenancy.privacy import mechanisms

BARRIER = 0x707269766163
EPSILON = Decimal("0.125")


async def ask(moot: Moot, k: int) -> str:
    """One question, each k another; `released`, or the code of the refusal."""
    try:
        return (await moot.privacy.release(query="popular_labels", epsilon=EPSILON, k_anonymity=k)).state
    except MoothillError as error:
        return error.code


async def main(dsn: str, tenant: str, how: str, first: int, last: int) -> None:
    """Spend."""
    settings = Settings.load({}, pool_min=last - first + 1, pool_max=last - first + 1, tenant_share=1, worker=False)
    platform = await open_database(dsn, settings, "default", create=True)
    moot = platform.tenant(tenant)
    mechanisms.library()
    await moot.privacy.budget()
    if how == "hang":

        def stop(*_: Any) -> Any:
            print("paid", flush=True)
            time.sleep(600)

        setattr(mechanisms, "draw", stop)  # noqa: B010  # to the type checker it is no variable
        await ask(moot, first)
    async with await psycopg.AsyncConnection.connect(dsn) as gate:
        print("ready", flush=True)
        await gate.execute("select pg_advisory_xact_lock_shared(%s)", [BARRIER])
        for outcome in await asyncio.gather(*(ask(moot, k) for k in range(first, last + 1))):
            print(outcome, flush=True)
    await platform.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:4], *map(int, sys.argv[4:6])))  # type: ignore[arg-type]  # five of them
