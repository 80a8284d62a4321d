"""A worker in a process of its own: `python -m … DSN FOLDER`."""

import asyncio
import sys
from pathlib import Path

from pydantic import SecretStr

from moothill.kernel.settings import Settings
from moothill.session import open_database
from moothill.tenancy.erasure.reports import new_key
from moothill.worker import Worker
from tests.integration.worker.world import BRISK


async def main(dsn: str, folder: str) -> None:
    settings = Settings.load({}, pool_min=1, archive_folder=Path(folder), signing_key=SecretStr(new_key()))
    moot = await open_database(dsn, settings, "default")
    assert moot.session is not None
    assert moot.session.runtime is not None
    assert moot.session.database is not None
    await Worker(moot.session.runtime, moot.session.database, settings, pace=BRISK).run()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
