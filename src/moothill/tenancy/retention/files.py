"""Parquet files of archived rows: written whole or not at all, and read back before anybody relies on them.

Each row is there twice: typed columns for whoever asks questions of the file, and `record`, the row as JSON exactly
as the database said it, which digests are taken of.
"""

import contextlib
import hashlib
import os
import shutil
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson
from pydantic import BaseModel

from .errors import NoArchiveLibrary
from .rules import row_digest

__all__ = ["Column", "digest", "names", "read", "remove", "remove_all", "require_library", "write"]

_RECORD = "record"
_PART = ".part"
_INTEGERS = {"smallint", "integer", "bigint"}


class Column(BaseModel):
    """A column of the table that the rows come from."""

    name: str
    type: str


def require_library() -> None:
    """See that Parquet can be written here.

    Raises:
        NoArchiveLibrary: pyarrow is missing.
    """
    try:
        import pyarrow.parquet  # noqa: F401
    except ImportError:
        raise NoArchiveLibrary() from None


def write(
    folder: Path, name: str, columns: Sequence[Column], lines: Sequence[str], data_class: str
) -> tuple[int, str] | None:
    """Write rows to a file, which has its name, and is on disk, only when it was read back and compared.

    Returns:
        Size and SHA-256 of the file; None when it did not hold what was written, and is gone.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    _make_private(folder)
    part = folder / (name + _PART)
    table = pa.table(_filled(columns, lines), schema=_schema(columns, data_class))
    with part.open("wb") as out:
        pq.write_table(table, out, compression="zstd")
        out.flush()
        os.fsync(out.fileno())
    back = read(part)
    if len(back) != len(lines) or row_digest(back) != row_digest(lines):
        part.unlink()
        return None
    content = part.read_bytes()
    part.replace(folder / name)
    _sync(folder)
    return len(content), hashlib.sha256(content).hexdigest()


def read(path: Path) -> list[str]:
    """The rows of a file, as JSON."""
    import pyarrow.parquet as pq

    # Without the reader's threads, which would outlive the call.
    found: list[str] = pq.ParquetFile(path).read(columns=[_RECORD], use_threads=False).column(_RECORD).to_pylist()
    return found


def digest(path: Path) -> str | None:
    """SHA-256 of a file; None where there is none."""
    with contextlib.suppress(FileNotFoundError), path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
    return None


def names(folder: Path) -> list[str]:
    """Names of the files in a folder, unfinished ones too; none when there is no such folder."""
    return sorted(path.name for path in folder.iterdir() if path.is_file()) if folder.is_dir() else []


def remove(folder: Path, rubbish: Sequence[str]) -> None:
    """Remove files."""
    for name in rubbish:
        (folder / name).unlink(missing_ok=True)
    if rubbish:
        _sync(folder)


def remove_all(folder: Path) -> int:
    """Remove a folder with all its files; how many there were."""
    count = len(names(folder))
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(folder)
        _sync(folder.parent)
    return count


def _schema(columns: Sequence[Column], data_class: str) -> Any:
    import pyarrow as pa

    kinds = {
        "boolean": pa.bool_(),
        "double precision": pa.float64(),
        "timestamp with time zone": pa.timestamp("us", tz="UTC"),
    }
    fields = [
        pa.field(each.name, pa.int64() if each.type in _INTEGERS else kinds.get(each.type, pa.string()))
        for each in columns
    ]
    return pa.schema([*fields, pa.field(_RECORD, pa.string())], metadata={"moothill.class": data_class})


def _filled(columns: Sequence[Column], lines: Sequence[str]) -> dict[str, list[Any]]:
    rows = [orjson.loads(line) for line in lines]
    made = {each.name: [_value(each, row.get(each.name)) for row in rows] for each in columns}
    return {**made, _RECORD: list(lines)}


def _value(column: Column, value: Any) -> Any:
    if value is None or column.type in _INTEGERS or column.type in ("boolean", "double precision"):
        return value
    if column.type == "timestamp with time zone":
        return datetime.fromisoformat(value)
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def _make_private(folder: Path) -> None:
    if not folder.is_dir():
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _sync(folder.parent)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
