"""The key ring of a process: data keys of tenants, unwrapped, for a short time.

A tenant without keys is remembered until the ring is told otherwise: the database refuses what is written by an old
ring, and whoever was refused forgets and asks again. So a change in one process holds at once in all of them.
"""

import asyncio
import logging
import secrets
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import UUID

import orjson

from ...kernel.errors import MoothillError
from ...kernel.identifiers import NOBODY
from .errors import KeyEncryptionMissing, KeyEncryptionUnavailable, SealBroken, ValueShredded
from .keys import KEY_BYTES, DataKey, TenantKeys
from .wrapping import KeyEncryption, Wrapped

__all__ = ["KeyRing", "NewKey", "StoredKey"]

T = TypeVar("T")
_log = logging.getLogger("moothill.encryption")
MOST_TENANTS = 1_000
# Longest wait for the key service, for all keys of a tenant.
_PATIENCE = 5.0
# How long what failed is not tried again: a service that is down is not asked by every call.
_FAILURE_SECONDS = 1.0
_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class StoredKey:
    """A data key as the database has it; without content it was shredded."""

    number: int
    wrapped: bytes | None
    kek: str
    state: str


@dataclass(frozen=True, slots=True)
class NewKey:
    """A data key that no row has yet."""

    number: int
    key: DataKey
    wrapped: Wrapped


@dataclass(frozen=True, slots=True)
class _Held:
    keys: TenantKeys
    until: float | None


class KeyRing:
    """Unwrapped keys of the tenants of a process, at most a thousand at a time."""

    def __init__(
        self,
        encryption: KeyEncryption,
        fetch: Callable[[UUID], Awaitable[Sequence[Mapping[str, Any]]]],
        *,
        seconds: float,
    ) -> None:
        self.encryption = encryption
        self._fetch = fetch
        self._seconds = seconds
        self._held: OrderedDict[UUID, _Held] = OrderedDict()
        self._loading: dict[UUID, asyncio.Task[TenantKeys]] = {}
        self._sought: dict[UUID, int] = {}

    async def of(self, tenant: UUID) -> TenantKeys:
        """The keys of a tenant; call it before a connection is taken, for it may need one."""
        if tenant == NOBODY:
            return TenantKeys(tenant)
        held = self._held.get(tenant)
        if held is not None and (held.until is None or time.monotonic() < held.until):
            self._held.move_to_end(tenant)
            return held.keys
        task = self._loading.get(tenant)
        if task is None:
            task = self._loading[tenant] = asyncio.create_task(self._load(tenant))
        # Others may wait for it too.
        return await asyncio.shield(task)

    def forget(self, tenant: UUID, sought: int | None = None) -> None:
        """Read this tenant's keys again at the next call; one that is sought and not there then belongs to nobody."""
        self._held.pop(tenant, None)
        self._loading.pop(tenant, None)
        if sought is not None:
            self._sought[tenant] = sought

    async def close(self) -> None:
        """Forget every key and release the key service."""
        self._held.clear()
        tasks, self._loading = [*self._loading.values()], {}
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.encryption.close()

    async def new(self, tenant: UUID, number: int) -> NewKey:
        """A random data key, wrapped; up to the caller to store it."""
        key = secrets.token_bytes(KEY_BYTES)
        wrapped = await self._answered(self.encryption.wrap(key, bound_to(tenant, number)))
        return NewKey(number, DataKey(number, key), wrapped)

    async def current(self) -> str:
        """Id of the key-encryption key in use."""
        return await self._answered(self.encryption.current())

    async def rewrapped(self, tenant: UUID, number: int, wrapped: Wrapped) -> Wrapped:
        """The same data key under the key-encryption key in use."""
        bound = bound_to(tenant, number)
        return await self._answered(
            self.encryption.wrap(await self._answered(self.encryption.unwrap(wrapped, bound)), bound)
        )

    async def _load(self, tenant: UUID) -> TenantKeys:
        task, sought = asyncio.current_task(), self._sought.pop(tenant, None)
        try:
            stored = [StoredKey(**row) for row in await self._fetch(tenant)]
            limit = asyncio.Semaphore(_AT_ONCE)
            found = await asyncio.gather(*(self._unwrapped(tenant, each, limit) for each in stored))
            active = next((each.number for each in stored if each.state == "active"), None)
            known = {each.number: key for each, key in zip(stored, found, strict=True)}
            if sought is not None and sought not in known:
                known[sought] = SealBroken(f"A value is sealed with key {sought}, which this tenant never had.")
            keys = TenantKeys(tenant, active, known)
            # One that was told to forget meanwhile is not kept.
            if self._loading.get(tenant) is task:
                failed = any(isinstance(key, KeyEncryptionMissing | KeyEncryptionUnavailable) for key in found)
                seconds = _FAILURE_SECONDS if failed else self._seconds
                self._hold(tenant, keys, seconds if known else None)
            return keys
        finally:
            if self._loading.get(tenant) is task:
                del self._loading[tenant]

    def _hold(self, tenant: UUID, keys: TenantKeys, seconds: float | None) -> None:
        held = _Held(keys, None if seconds is None else time.monotonic() + seconds)
        self._held[tenant] = held
        self._held.move_to_end(tenant)
        while len(self._held) > MOST_TENANTS:
            self._held.popitem(last=False)
        if seconds is not None:
            # Also in a tenant that nobody asks for any more.
            asyncio.get_running_loop().call_later(seconds, self._drop, tenant, held)

    def _drop(self, tenant: UUID, held: _Held) -> None:
        if self._held.get(tenant) is held:
            del self._held[tenant]

    async def _unwrapped(self, tenant: UUID, stored: StoredKey, limit: asyncio.Semaphore) -> DataKey | MoothillError:
        if stored.wrapped is None:
            return ValueShredded()
        try:
            async with limit:
                wrapped = Wrapped(stored.kek, stored.wrapped)
                key = await self._answered(self.encryption.unwrap(wrapped, bound_to(tenant, stored.number)))
            return DataKey(stored.number, key)
        except MoothillError as error:
            _log.warning(
                "key_not_unwrapped",
                extra={"tenant": str(tenant), "key": stored.number, "kek": stored.kek, "code": error.code},
            )
            return error
        except ValueError:
            return KeyEncryptionMissing(f"What {stored.kek!r} unwrapped is no data key.", kek=stored.kek)

    async def _answered(self, asked: Awaitable[T]) -> T:
        try:
            async with asyncio.timeout(_PATIENCE):
                return await asked
        except TimeoutError:
            raise KeyEncryptionUnavailable(f"The key service did not answer within {_PATIENCE:g} s.") from None
        except MoothillError:
            raise
        except Exception as error:
            # Somebody else's code may raise anything, with anything in its text.
            _log.warning("key_service_failed", extra={"error": type(error).__name__})
            raise KeyEncryptionUnavailable(f"The key service failed ({type(error).__name__}).") from None


def bound_to(tenant: UUID, number: int) -> bytes:
    """What a wrapped data key is bound to."""
    return orjson.dumps(["moothill key 1", str(tenant), number])
