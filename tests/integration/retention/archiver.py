"""A process that archives a tenant's rows, and is killed at one place: `python -m … DSN FOLDER TENANT PLACE`."""

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any
from uuid import UUID

from moothill.kernel.local import LocalExecutor
from moothill.kernel.settings import Settings
from moothill.session import open_database
from moothill.tenancy.retention import Retention, archiving
from moothill.worker.acting import acting, system


def _die(*_: Any, **__: Any) -> Any:
    os.kill(os.getpid(), signal.SIGKILL)


async def main(dsn: str, folder: str, tenant: UUID, place: str) -> None:
    moot = await open_database(dsn, Settings.load({}, pool_min=1, archive_folder=Path(folder)), "default")
    assert moot.session is not None
    assert moot.session.runtime is not None
    runtime = moot.session.runtime
    if place == "before the name":
        Path.replace = _die  # type: ignore[method-assign]
    elif place == "before the commit":
        # The file has its name; the manifest does not know it yet.
        archiving.sql.note.__class__.__call__ = _die  # type: ignore[method-assign]
    elif place == "before the settling":
        real = archiving.Sql.settle.__class__.__call__

        async def settled_and_dead(query: Any, **parameters: Any) -> Any:
            result = await real(query, **parameters)
            if query.statement.name == "settle":
                _die()
            return result

        archiving.Sql.settle.__class__.__call__ = settled_and_dead  # type: ignore[assignment, method-assign]
    cursor = None
    principal = system(tenant)
    while True:
        async with acting(runtime, principal, "retention.remove", cursor=cursor):
            cursor = (await Retention(LocalExecutor(runtime, principal)).remove()).cursor
        if place == "after the commit":
            _die()
        assert cursor is not None, "it was to be killed before this"


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], UUID(sys.argv[3]), sys.argv[4]))
