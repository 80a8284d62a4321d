"""Files: an export as one, and the check of a report in one. Neither needs a database."""

import hashlib
import os
import re
import zipfile
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path
from typing import IO

import orjson

from ...kernel.errors import Internal, Invalid
from .models import ExportPiece

__all__ = ["verify", "write_export"]

_FORMAT = "moothill-export/1"
# What names a file is not whatever a server says.
_TABLE = re.compile(r"[a-z_][a-z0-9_]{0,62}")


async def write_export(
    pieces: AsyncIterator[ExportPiece], path: Path, progress: Callable[[int, int | None, str], None]
) -> str:
    """Write an export to a ZIP file: a file of JSON lines for each table, and a manifest with their digests.

    The file has its name when it is whole and on disk; memory holds one piece at a time.

    Returns:
        What was written, in a sentence.

    Raises:
        Internal: what came is not what the manifest says.
        Invalid: the file cannot be written.
    """
    part = path.with_name(path.name + ".part")
    try:
        with part.open("xb") as raw:
            os.fchmod(raw.fileno(), 0o600)
            with zipfile.ZipFile(raw, "w", zipfile.ZIP_DEFLATED) as archive:
                told = await _fill(archive, pieces, progress)
            raw.flush()
            os.fsync(raw.fileno())
        part.replace(path)
    except FileExistsError:
        raise Invalid(f"{part} exists: another export writes it, or broke off; remove it first.", field="out") from None
    except OSError as error:
        part.unlink(missing_ok=True)
        raise Invalid(f"{path} cannot be written: {error.strerror}.", field="out") from None
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    return f"{told['rows']} rows of {told['tables']} tables in {path}"


async def _fill(
    archive: zipfile.ZipFile, pieces: AsyncIterator[ExportPiece], progress: Callable[[int, int | None, str], None]
) -> dict[str, int]:
    entry: IO[bytes] | None = None
    table, hashed, digests = "", hashlib.sha256(), dict[str, str]()
    async for piece in pieces:
        if entry is not None and piece.table != table:
            entry.close()
            digests[table] = hashed.hexdigest()
            entry = None
        if piece.manifest is not None:
            for name, wanted in piece.manifest.items():
                if not _TABLE.fullmatch(name):
                    raise Internal(f"The manifest names {name!r}, which is no name of a table; nothing was written.")
                if wanted.rows and digests.get(name) != wanted.sha256:
                    raise Internal(f"What came of the table {name} is not what was sent; export again.")
                if not wanted.rows:
                    archive.writestr(f"{name}.jsonl", b"")
            tables = {name: each.model_dump() for name, each in piece.manifest.items()}
            archive.writestr("manifest.json", orjson.dumps({"format": _FORMAT, "tables": tables}))
            return {"tables": len(tables), "rows": piece.done}
        if entry is None:
            if not _TABLE.fullmatch(piece.table):
                raise Internal(f"The server sent {piece.table!r}, which is no name of a table; nothing was written.")
            table, hashed = piece.table, hashlib.sha256()
            entry = archive.open(f"{table}.jsonl", "w", force_zip64=True)
        for line in piece.lines:
            raw = line.encode() + b"\n"
            entry.write(raw)
            hashed.update(raw)
        progress(piece.done, piece.total, f"Writing {table}")
    with suppress(Exception):
        if entry is not None:
            entry.close()
    raise Internal("The export broke off before its end; export again.")


def verify(content: bytes, *, public_key: str | None = None, previous: str | None = None) -> str:
    """Check a signed report of an erasure, without any server. The exit status is not 0 when it was altered.

    Args:
        content: a report, as `erasure.report` gave it.
        public_key: the signature must be of this key, base64; `erasure.public_key` tells it.
        previous: SHA-256 of the report that it must follow.
    """
    # Erasure stands on retention, and needs it whole.
    from ..erasure.reports import verify_report

    body = verify_report(content, public_key=public_key, previous=previous)
    gone = sum(body["removed"].values())
    whose = "" if public_key else " It was signed by whoever holds the key in it; name the key to know whose that is."
    return f"Report {body['number']} is as it was signed: {body['kind']} erased, {gone} rows.{whose}"
