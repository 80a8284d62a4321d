"""The first operator key: made once, shown once, kept where only the folder's owner reads it."""

import asyncio
from dataclasses import dataclass
from pathlib import Path

from ...database.embedded.folder import write_privately
from ...kernel.errors import Conflict, MoothillError
from ...moot import Moot

__all__ = ["FirstKey", "first_key"]

FILE = "operator.key"
_SCOPES = ["*", "platform:*"]
# Two servers that start on one new database at the same time make one key.
_ONCE = "first operator key"


@dataclass(frozen=True, slots=True)
class FirstKey:
    """What to tell of the first key.

    Attributes:
        secret: only when it has just been made.
        file: where it lies, when there is a folder.
        warning: why the file's key is of no use, if so.
    """

    secret: str | None
    file: Path | None
    warning: str | None = None


async def first_key(moot: Moot, folder: Path | None) -> FirstKey:
    """Make the operator key of a new society, or say where it is.

    With a folder the key is written to a file in it; a start that died before writing makes
    another. Without one it is made only while the tenant has no key at all.
    """
    if folder is None:
        if (await moot.keys.list(limit=1, ended=True)).items:
            return FirstKey(None, None)
        try:
            issued = await moot.keys.create.options(idempotency_key=_ONCE)(name="first operator", scopes=_SCOPES)
        except Conflict:
            return FirstKey(None, None)
        return FirstKey(issued.secret, None)
    file = folder / FILE
    if file.exists():
        return FirstKey(None, file, await _refusal(moot, file))
    issued = await moot.keys.create(name="first operator", scopes=_SCOPES)
    write_privately(file, issued.secret + "\n")
    return FirstKey(issued.secret, file)


async def _refusal(moot: Moot, file: Path) -> str | None:
    assert moot.session is not None
    try:
        secret = await asyncio.to_thread(file.read_text, encoding="utf-8")
        await moot.session.key_gate().authenticate(secret.strip())
    except MoothillError as error:
        return f"The key in {file} is of no use: {error.message} Remove the file to have a new one made."
    return None
