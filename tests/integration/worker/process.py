"""A worker in a process of its own, to be killed: `python -m tests.integration.worker.process DSN`."""

import asyncio
import signal
import sys

from moothill.kernel.settings import Settings
from moothill.session import open_database
from moothill.worker import Worker
from tests.integration.worker.probe import registered
from tests.integration.worker.world import BRISK


async def main(dsn: str) -> None:
    with registered():
        moot = await open_database(dsn, Settings.load({}, pool_min=1, pool_max=10), "default")
        assert moot.session is not None
        assert moot.session.runtime is not None
        assert moot.session.database is not None
        worker = Worker(moot.session.runtime, moot.session.database, moot.session.settings, pace=BRISK)
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, lambda: loop.create_task(worker.stop()))
        await worker.run()
        await moot.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
