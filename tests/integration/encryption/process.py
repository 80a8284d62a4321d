"""A worker in a process of its own, to be killed: `python -m tests.integration.encryption.process DSN`."""

import asyncio
import os
import sys

from moothill.kernel.settings import Settings
from moothill.session import open_database
from moothill.worker import Worker
from tests.integration.worker.world import BRISK


async def main(dsn: str) -> None:
    settings = Settings.load({}, pool_min=1, pool_max=10, keks=os.environ["MOOTHILL_KEKS"])
    moot = await open_database(dsn, settings, "default")
    assert moot.session is not None
    assert moot.session.runtime is not None
    assert moot.session.database is not None
    await Worker(moot.session.runtime, moot.session.database, settings, pace=BRISK).run()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
