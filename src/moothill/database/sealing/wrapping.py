"""Key-encryption keys (KEKs): what wraps the data keys that lie in the database. A KEK itself never does.

They come from a file, from the setting `keks`, or from a service (a KMS) behind the protocol `KeyEncryption`.
"""

import asyncio
import base64
import binascii
import importlib
import os
import re
import secrets
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, runtime_checkable

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ...kernel.errors import MoothillError
from ...kernel.settings import Settings
from .errors import EncryptionNotConfigured, KeyEncryptionInvalid, KeyEncryptionMissing
from .keys import KEY_BYTES, decrypted, encrypted

__all__ = ["KeyEncryption", "KeyFile", "LocalKeys", "NoKeys", "Wrapped", "key_encryption_from", "parse_keys"]

_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_MANY = 100


@dataclass(frozen=True, slots=True)
class Wrapped:
    """A data key as it may be stored.

    Attributes:
        kek: id of the key-encryption key.
        content: the wrapped bytes, up to 4,096.
    """

    kek: str
    content: bytes = field(repr=False)


@runtime_checkable
class KeyEncryption(Protocol):
    """Wraps and unwraps data keys of 32 bytes.

    `bound` names tenant and number of the data key; whoever can should bind the wrapped key to it, so that none can
    be put in another's place. Raise `KeyEncryptionMissing` for an id that is not known, and
    `KeyEncryptionUnavailable` when nobody answers; a call is given a few seconds.
    """

    async def current(self) -> str:
        """Id of the key-encryption key that `wrap` uses now."""
        ...

    async def wrap(self, key: bytes, bound: bytes) -> Wrapped:
        """Wrap a data key."""
        ...

    async def unwrap(self, wrapped: Wrapped, bound: bytes) -> bytes:
        """The data key again."""
        ...

    async def close(self) -> None:
        """Release connections."""
        ...


class LocalKeys:
    """KEKs in this process, by AES-256-GCM: the first wraps, all unwrap."""

    __slots__ = ("_ciphers", "_first")

    def __init__(self, keys: Mapping[str, bytes]) -> None:
        self._ciphers = {name: AESGCM(key) for name, key in keys.items()}
        self._first = next(iter(keys))

    def __repr__(self) -> str:
        return f"<LocalKeys {', '.join(self._ciphers)}>"

    async def current(self) -> str:
        """The first."""
        return self._first

    async def wrap(self, key: bytes, bound: bytes) -> Wrapped:
        """Wrap with the first."""
        return Wrapped(self._first, encrypted(self._ciphers[self._first], key, bound))

    async def unwrap(self, wrapped: Wrapped, bound: bytes) -> bytes:
        """Unwrap with the one that is named."""
        cipher = self._ciphers.get(wrapped.kek)
        if cipher is None:
            known = ", ".join(self._ciphers)
            raise KeyEncryptionMissing(
                f"The key-encryption key {wrapped.kek!r} is not configured here ({known}); bring it back, after the "
                "first one.",
                kek=wrapped.kek,
            )
        try:
            return decrypted(cipher, wrapped.content, bound)
        except InvalidTag:
            raise KeyEncryptionMissing(
                f"The key-encryption key that is configured as {wrapped.kek!r} is not the one that wrapped this "
                "tenant's data key; bring back the right one.",
                kek=wrapped.kek,
            ) from None

    async def close(self) -> None:
        """Nothing is open."""


class KeyFile:
    """KEKs in a file that its owner alone may read; read at the first use, and made then where that is asked for."""

    def __init__(self, path: Path, *, makes: bool = False) -> None:
        self._path = path
        self._makes = makes
        self._keys: LocalKeys | None = None

    async def current(self) -> str:
        """The first of the file."""
        return await (await self._loaded(making=True)).current()

    async def wrap(self, key: bytes, bound: bytes) -> Wrapped:
        """Wrap with the first of the file."""
        return await (await self._loaded(making=True)).wrap(key, bound)

    async def unwrap(self, wrapped: Wrapped, bound: bytes) -> bytes:
        """Unwrap with the one that is named."""
        try:
            return await (await self._loaded(making=False)).unwrap(wrapped, bound)
        except KeyEncryptionInvalid as error:
            # It was configured well enough to wrap: now it is lost, and the reader should know which one.
            raise KeyEncryptionMissing(
                f"The key-encryption key {wrapped.kek!r} cannot be had: {error.message}", kek=wrapped.kek
            ) from None

    async def close(self) -> None:
        """Nothing is open."""

    async def _loaded(self, *, making: bool) -> LocalKeys:
        if self._keys is None:
            self._keys = await asyncio.to_thread(self._load, making=making)
        return self._keys

    def _load(self, *, making: bool) -> LocalKeys:
        try:
            return LocalKeys(parse_keys(_private_text(self._path), str(self._path)))
        except FileNotFoundError:
            if not (making and self._makes):
                raise KeyEncryptionInvalid(
                    f"There is no file of key-encryption keys at {self._path}; restore it from its backup.",
                    file=str(self._path),
                ) from None
        _make(self._path)
        return LocalKeys(parse_keys(_private_text(self._path), str(self._path)))


class NoKeys:
    """What stands where nothing is configured."""

    async def current(self) -> str:
        """There is none."""
        raise EncryptionNotConfigured()

    async def wrap(self, key: bytes, bound: bytes) -> Wrapped:
        """There is none."""
        raise EncryptionNotConfigured()

    async def unwrap(self, wrapped: Wrapped, bound: bytes) -> bytes:
        """There is none."""
        raise KeyEncryptionMissing(
            f"The key-encryption key {wrapped.kek!r} is not configured here; set `kek_file`, `keks` or `kms`.",
            kek=wrapped.kek,
        )

    async def close(self) -> None:
        """Nothing is open."""


def parse_keys(text: str, place: str) -> dict[str, bytes]:
    """Keys of `id:base64`, one a line or separated by commas or blanks; the first is the one that wraps.

    Args:
        text: of a file or a setting; what follows a `#` is a comment.
        place: named in errors, which never tell a key.

    Raises:
        KeyEncryptionInvalid: there is none, one is malformed, or an id comes twice.
    """
    words = [word for line in text.splitlines() for word in re.split(r"[,\s]+", line.partition("#")[0]) if word]
    found: dict[str, bytes] = {}
    for number, word in enumerate(words, start=1):
        name, _, encoded = word.partition(":")
        try:
            key = base64.b64decode(encoded, validate=True)
        except binascii.Error:
            key = b""
        if not _ID.fullmatch(name) or len(key) != KEY_BYTES:
            raise KeyEncryptionInvalid(
                f"Entry {number} of {place} is no key-encryption key: write id:base64 of {KEY_BYTES} random bytes, "
                "the id of letters, digits, dots, hyphens and underscores.",
                place=place,
            )
        if name in found:
            raise KeyEncryptionInvalid(f"{place} has the key-encryption key {name!r} twice.", place=place)
        found[name] = key
    if not found or len(found) > _MANY:
        raise KeyEncryptionInvalid(f"{place} needs 1 to {_MANY} key-encryption keys, as id:base64.", place=place)
    return found


def key_encryption_from(settings: Settings, own_file: Path | None = None) -> KeyEncryption:
    """What wraps data keys by these settings; nothing is opened before its first use.

    Args:
        settings: `kms`, `keks` or `kek_file`, one of them.
        own_file: of an embedded server; made when it is needed first, and used where nothing is configured.

    Raises:
        KeyEncryptionInvalid: several are configured, or what is configured cannot be used.
    """
    given = [name for name in ("kms", "keks", "kek_file") if getattr(settings, name) is not None]
    if len(given) > 1:
        raise KeyEncryptionInvalid(
            f"Configure one of kms, keks and kek_file, not {' and '.join(given)}.", field=given[0]
        )
    if settings.kms is not None:
        return _service(settings.kms, settings)
    if settings.keks is not None:
        return LocalKeys(parse_keys(settings.keks.get_secret_value(), "the setting keks"))
    if settings.kek_file is not None:
        return KeyFile(settings.kek_file)
    return KeyFile(own_file, makes=True) if own_file is not None else NoKeys()


def _service(name: str, settings: Settings) -> KeyEncryption:
    """The service that `module:attribute` makes from the settings."""
    module, _, attribute = name.partition(":")
    try:
        made: object = getattr(importlib.import_module(module), attribute)(settings)
    except MoothillError:
        raise
    except Exception as error:
        raise KeyEncryptionInvalid(
            f"The setting kms names {name!r}, which cannot be made ({type(error).__name__}); write module:attribute "
            "of a callable that takes the settings.",
            field="kms",
        ) from error
    if not isinstance(made, KeyEncryption):
        raise KeyEncryptionInvalid(f"What {name!r} makes lacks one of current, wrap, unwrap and close.", field="kms")
    return made


def _private_text(path: Path) -> str:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    with open(descriptor, encoding="utf-8") as file:  # noqa: PTH123  # the descriptor that is checked is the one read
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise KeyEncryptionInvalid(
                f"Others may read the key-encryption keys in {path} (mode {stat.S_IMODE(status.st_mode):04o}). Close "
                f"the file: chmod 600 {path}. If others use this machine, rotate the keys too.",
                file=str(path),
            )
        return file.read()


def _make(path: Path) -> None:
    """A file with one new key, whole on disk when this returns; another process's is left as it is."""
    line = f"k{secrets.token_hex(4)}:{base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()}\n"
    temporary = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        os.write(descriptor, b"# Without this file nothing that is encrypted can be read. Back it up apart.\n")
        os.write(descriptor, line.encode())
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    try:
        # A link, unlike a rename, never takes the place of a file that is there.
        os.link(temporary, path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except FileExistsError:
        pass
    finally:
        temporary.unlink(missing_ok=True)
