"""Archives: rows go to a file that was read back, and leave exactly once, whatever ends in between."""

import asyncio
import contextvars
import hashlib
import os
import signal
import sys
from pathlib import Path
from typing import Any
from uuid import UUID

import pyarrow.parquet as pq
import pytest

from moothill.kernel.identifiers import NOBODY
from moothill.kernel.local import LocalExecutor
from moothill.tenancy.retention import archiving, files
from moothill.tenancy.retention.errors import ArchiveDamaged, ArchiveNotConfigured
from moothill.worker.acting import acting, system
from tests.integration.retention.house import House
from tests.integration.worker.world import eventually

ROOT = Path(__file__).resolve().parents[3]


def archived(folder: Path) -> list[str]:
    """Ids in all files of a folder, whatever the manifest says."""
    found: list[str] = []
    for path in sorted(folder.glob("*.parquet")):
        found += pq.ParquetFile(path).read(columns=["id"], use_threads=False).column("id").to_pylist()
    return found


async def test_rows_go_to_a_file_and_then_from_the_database(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    moot, tenant = await house.tenant("acme")
    monkeypatch.setattr(archiving, "_ROWS", 25)
    await house.old_events(tenant, 400, 60)
    ids = [str(row[0]) for row in await house.ask("select id from moothill.events where kind = 'test.old' order by id")]
    await moot.retention.set(data_class="events", action="archive", days=90)
    await house.remove(tenant)
    assert await house.count("events", tenant, "kind = 'test.old'") == 0
    folder = house.archive / str(tenant)
    assert sorted(archived(folder)) == ids
    assert folder.stat().st_mode & 0o077 == 0
    manifest = (await moot.retention.archives()).items
    assert [each.rows for each in manifest] == [25, 25, 10]
    for each in manifest:
        content = (folder / each.file).read_bytes()
        assert (len(content), hashlib.sha256(content).hexdigest()) == (each.bytes, each.sha256)
        assert each.state == "settled"
    schema = pq.read_schema(folder / manifest[0].file)
    assert str(schema.field("occurred_at").type) == "timestamp[us, tz=UTC]"
    assert len((await moot.events.list(kind="retention.archived")).items) == 3


async def test_a_file_that_cannot_be_read_back_deletes_nothing(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """The comparison is of what is on disk, not of what was meant to be there."""
    moot, tenant = await house.tenant("acme")
    await house.old_events(tenant, 400, 5)
    await moot.retention.set(data_class="events", action="archive", days=90)
    real = files.read
    monkeypatch.setattr(files, "read", lambda path: real(path)[:-1])
    with pytest.raises(ArchiveDamaged):
        await house.remove(tenant)
    assert await house.count("events", tenant, "kind = 'test.old'") == 5
    assert archived(house.archive / str(tenant)) == []
    monkeypatch.setattr(files, "read", real)
    await house.remove(tenant)
    assert len(archived(house.archive / str(tenant))) == 5


async def test_a_hold_between_the_file_and_the_deletion_keeps_the_rows(house: House) -> None:
    moot, tenant = await house.tenant("acme")
    await house.old_events(tenant, 400, 5)
    await moot.retention.set(data_class="events", action="archive", days=90)
    await house.remove(tenant, steps=1)
    hold = await moot.retention.hold(reason="Case 17")
    await house.remove(tenant)
    assert await house.count("events", tenant, "kind = 'test.old'") == 5
    assert (await moot.retention.archives()).items == []
    await moot.retention.release(hold=hold.id)
    await house.remove(tenant)
    assert await house.count("events", tenant, "kind = 'test.old'") == 0
    # The file of the first try was rubbish and is gone; no row is in two files.
    assert len(archived(house.archive / str(tenant))) == 5


async def test_a_file_that_is_gone_before_the_deletion_keeps_the_rows(house: House) -> None:
    """A worker with another folder, or a disk that lost it: what is deleted is only what a file holds."""
    moot, tenant = await house.tenant("acme")
    await house.old_events(tenant, 400, 5)
    await moot.retention.set(data_class="events", action="archive", days=90)
    await house.remove(tenant, steps=1)
    (entry,) = (await moot.retention.archives()).items
    path = house.archive / str(tenant) / entry.file
    path.unlink()
    await house.remove(tenant, steps=1)
    assert await house.count("events", tenant, "kind = 'test.old'") == 5
    assert (await moot.retention.archives()).items == []
    await house.remove(tenant, steps=1)
    (entry,) = (await moot.retention.archives()).items
    path = house.archive / str(tenant) / entry.file
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    await house.remove(tenant, steps=1)
    assert await house.count("events", tenant, "kind = 'test.old'") == 5
    assert not path.exists()
    await house.remove(tenant)
    assert len(archived(house.archive / str(tenant))) == 5


async def test_what_an_erasure_is_writing_is_no_rubbish_to_retention(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The hourly batch comes between the new file and its name in the manifest."""
    moot, tenant = await house.tenant("acme")
    agent = await moot.agents.register(agent_id="ada", name="Ada")
    await house.old_events(tenant, 400, 5, actor=agent.id, kind="agent")
    await house.old_events(tenant, 400, 5, kind="agent")
    await moot.retention.set(data_class="agent_activity", action="archive", days=90)
    await house.remove(tenant)
    folder = house.archive / str(tenant)
    real, tidying = archiving.write_and_compare, list[asyncio.Task[int]]()

    async def tidy() -> int:
        async with acting(house.runtime, system(tenant), "retention.remove"):
            return await archiving.tidy(folder)

    async def waits_or_is_done() -> bool:
        waiting = await house.ask("select 1 from pg_locks where locktype = 'advisory' and not granted")
        return bool(waiting) or tidying[0].done()

    async def written(*arguments: Any) -> Any:
        found = await real(*arguments)
        tidying.append(asyncio.create_task(tidy(), context=contextvars.Context()))
        await eventually(waits_or_is_done)
        return found

    monkeypatch.setattr(archiving, "write_and_compare", written)
    ended = await house.done(moot, await moot.erasure.erase_agent(agent="ada", reason="x"))
    assert ended.state == "completed", ended.message
    await tidying[0]
    assert len(archived(folder)) == 5


@pytest.mark.parametrize("content", [None, b"no Parquet file"])
async def test_an_erasure_that_misses_an_archive_says_which_and_what_to_do(house: House, content: bytes | None) -> None:
    moot, tenant = await house.tenant("acme")
    agent = await moot.agents.register(agent_id="ada", name="Ada")
    await house.old_events(tenant, 400, 5, actor=agent.id, kind="agent")
    await moot.retention.set(data_class="agent_activity", action="archive", days=90)
    await house.remove(tenant)
    (entry,) = (await moot.retention.archives()).items
    path = house.archive / str(tenant) / entry.file
    whole = path.read_bytes()
    path.unlink() if content is None else path.write_bytes(content)
    async with acting(house.runtime, system(tenant), "erasure.erase_agent"):
        with pytest.raises(ArchiveDamaged, match=f"{entry.file} .*restore it from a backup"):
            await archiving.redact_one(LocalExecutor(house.runtime, system(tenant)), NOBODY, ["ada"])
    path.write_bytes(whole)
    ended = await house.done(moot, await moot.erasure.erase_agent(agent="ada", reason="x"))
    assert ended.state == "completed", ended.message


async def test_without_a_folder_nobody_may_choose_to_archive(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    session = house.moot.session
    assert session is not None
    assert session.database is not None
    monkeypatch.setattr(session.database, "settings", house.settings.model_copy(update={"archive_folder": None}))
    with pytest.raises(ArchiveNotConfigured, match="MOOTHILL_ARCHIVE_FOLDER"):
        await house.moot.retention.set(data_class="events", action="archive", days=90)


@pytest.mark.parametrize("place", ["before the name", "before the commit", "after the commit", "before the settling"])
async def test_a_worker_that_is_killed_loses_and_duplicates_nothing(house: House, place: str) -> None:
    """kill -9 at each place that matters; the next run ends with every row in exactly one file."""
    moot, tenant = await house.tenant("acme")
    await house.old_events(tenant, 400, 40)
    ids = [str(row[0]) for row in await house.ask("select id from moothill.events where kind = 'test.old' order by id")]
    await moot.retention.set(data_class="events", action="archive", days=90)
    killed = await _killed(house, tenant, place)
    assert killed == -signal.SIGKILL
    left = {str(row[0]) for row in await house.ask("select id from moothill.events where kind = 'test.old'")}
    folder = house.archive / str(tenant)
    assert left | set(archived(folder)) == set(ids)
    # More rows are old enough by the time of the next run, so that its batch is another one.
    await house.old_events(tenant, 300, 7)
    await house.remove(tenant)
    assert await house.count("events", tenant, "kind = 'test.old'") == 0
    found = archived(folder)
    assert len(found) == len(set(found)) == 47
    assert set(ids) <= set(found)
    assert {path.name for path in folder.iterdir()} == {e.file for e in (await moot.retention.archives()).items}


async def _killed(house: House, tenant: UUID, place: str) -> int:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.integration.retention.archiver"),
        *(house.dsn, str(house.archive), str(tenant), place),
        cwd=ROOT,
        env={**os.environ},
    )
    async with asyncio.timeout(60):
        return await process.wait()
