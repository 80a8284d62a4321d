"""Archives: rows go to a file first, and leave the database when the file is known to hold them.

Two steps, each with a commit of its own. The first writes a file under a temporary name, syncs it, reads it back,
compares, gives it its name, and names it in the manifest, which is a table. The second deletes exactly the rows
that the file holds. Whatever ends in between, the manifest tells what is true: rows without a settled entry are
still in the database, and a file without an entry is rubbish, which the next batch removes.
"""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from uuid import UUID

from pydantic import BaseModel

from ...database.queries import Many, Maybe, One, Queries, Run
from ...kernel import context
from ...kernel.errors import Internal
from ...kernel.identifiers import uuid7
from ...kernel.local import LocalExecutor
from ...kernel.service import Executor
from ...kernel.settings import Settings
from . import files, rules
from .errors import ArchiveDamaged, ArchiveNotConfigured
from .models import ArchiveRow, RowsArchived

__all__ = ["archive_some", "folder_of", "forget_tenant", "redact_one", "settings_of", "tidy"]

_ROWS = 2_000


class _Row(BaseModel):
    line: str
    at: datetime
    cutoff: datetime


class Sql(Queries):
    """Statements of archives."""

    file = "archiving.sql"
    under_way: Maybe[ArchiveRow]
    page: Many[_Row]
    columns: Many[files.Column]
    note: Run
    settle: One[str]
    known: Many[str]
    next_settled: Maybe[ArchiveRow]
    replace: One[bool]
    lock_files: Run


sql = Sql()


def settings_of(executor: Executor) -> Settings:
    """The settings of the process in which a service's body runs."""
    assert isinstance(executor, LocalExecutor), "a body runs on a local executor"
    settings = getattr(executor.runtime.database, "settings", None)
    if not isinstance(settings, Settings):
        raise Internal("The database of this process carries no settings.")
    return settings


def folder_of(executor: Executor) -> Path:
    """The folder of archives of the current tenant.

    Raises:
        ArchiveNotConfigured: the settings name none.
        NoArchiveLibrary: pyarrow is missing.
    """
    folder = settings_of(executor).archive_folder
    if folder is None:
        raise ArchiveNotConfigured()
    files.require_library()
    return folder / str(context().tenant)


async def archive_some(executor: Executor, data_class: str, *, is_wanted: bool) -> int | None:
    """One step of the archive of a class: settle the file that is under way, or write the next one.

    Returns:
        Rows that left the database; None when there was nothing to do.
    """
    open_one = await sql.under_way(data_class=data_class)
    if open_one is not None:
        return await _settle(folder_of(executor), open_one)
    if not is_wanted:
        return None
    rows = await sql.page(data_class=data_class, size=_ROWS)
    if not rows:
        return None
    folder = folder_of(executor)
    await tidy(folder)
    id = uuid7()
    lines = [row.line for row in rows]
    name = f"{data_class}-{rows[0].at:%Y%m%dt%H%M%S}-{id}.parquet"
    size, sha256 = await write_and_compare(folder, name, data_class, lines)
    await sql.note(
        id=id,
        data_class=data_class,
        file=name,
        rows=len(lines),
        bytes=size,
        sha256=sha256,
        digest=rules.row_digest(lines),
        cutoff=rows[0].cutoff,
        first_at=rows[0].at,
        last_at=rows[-1].at,
    )
    return 0


async def write_and_compare(folder: Path, name: str, data_class: str, lines: Sequence[str]) -> tuple[int, str]:
    """A file on disk that holds these rows, for sure; its size and SHA-256.

    Raises:
        ArchiveDamaged: what was read back is something else; there is no file then.
    """
    columns = await sql.columns(data_class=data_class)
    written = await asyncio.to_thread(files.write, folder, name, columns, lines, data_class)
    if written is None:
        raise ArchiveDamaged(file=name)
    return written


async def _settle(folder: Path, archive: ArchiveRow) -> int | None:
    # Another worker may have another folder, or a disk that lost it: then the rows are all that there is.
    on_disk = await asyncio.to_thread(files.digest, folder / archive.file)
    if await sql.settle(id=archive.id, on_disk=on_disk) != "settled":
        # A hold or a change came between, or the file is gone. What is left of it goes; the next run begins anew.
        await tidy(folder)
        return None
    context().record(
        RowsArchived(data_class=archive.data_class, file=archive.file, rows=archive.rows, sha256=archive.sha256)
    )
    return archive.rows


async def tidy(folder: Path) -> int:
    """Remove files that the manifest does not name: what a crash, a hold or an erasure left behind; how many.

    Until this transaction ends, nobody else writes or removes files of the tenant: a file that another worker, or an
    erasure, has written and not yet named is no rubbish.
    """
    await sql.lock_files()
    names = await asyncio.to_thread(files.names, folder)
    if not names:
        return 0
    known = set(await sql.known(names=names))
    rubbish = [name for name in names if name not in known]
    await asyncio.to_thread(files.remove, folder, rubbish)
    return len(rubbish)


# What an erasure does with files.


async def forget_tenant(executor: Executor, tenant: UUID) -> int:
    """Remove every file of a tenant; how many."""
    folder = settings_of(executor).archive_folder
    if folder is None:
        return 0
    return await asyncio.to_thread(files.remove_all, folder / str(tenant))


async def redact_one(executor: Executor, after: UUID, words: Sequence[str]) -> tuple[UUID, int] | None:
    """Write the next file again without the rows in which one of these words stands.

    Returns:
        Id of its entry, and how many rows went; None when there is no file after `after`.

    Raises:
        ArchiveNotConfigured: there are files, and this process knows no folder.
        ArchiveDamaged: a file is not what the manifest says.
    """
    # Before the entry is read: another erasure may be writing its file anew, and what that takes out stays out.
    await sql.lock_files()
    archive = await sql.next_settled(after=after)
    if archive is None:
        return None
    folder = folder_of(executor)
    try:
        lines = await asyncio.to_thread(files.read, folder / archive.file)
    except (OSError, ValueError):
        # It is gone, or no Parquet file any more.
        lines = []
    if rules.row_digest(lines) != archive.digest:
        raise ArchiveDamaged(
            f"{folder / archive.file} is not what the manifest says; restore it from a backup.", file=archive.file
        )
    left = [line for line in lines if not any(word in line for word in words)]
    if len(left) == len(lines):
        return archive.id, 0
    name, size, sha256 = archive.file, 0, archive.sha256
    if left:
        name = f"{archive.data_class}-{archive.first_at:%Y%m%dt%H%M%S}-{uuid7()}.parquet"
        size, sha256 = await write_and_compare(folder, name, archive.data_class, left)
    await sql.replace(
        id=archive.id, file=name, rows=len(left), bytes=size, sha256=sha256, digest=rules.row_digest(left)
    )
    return archive.id, len(lines) - len(left)
