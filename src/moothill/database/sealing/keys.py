"""The data keys of a tenant, and sealing with them: AES-256-GCM, bound to tenant, field and row.

A nonce is 96 random bits, so one key must not seal more than 2^32 values: rotate long before. Keys are in memory
for as long as the ring keeps them; `repr` and pickles never show one.
"""

import hashlib
import hmac
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ...kernel.errors import MoothillError
from .envelope import EMPTY, Sealed, escaped, read, written
from .errors import SealBroken, TenantKeysChanged, ValueShredded
from .fields import SealedTable

__all__ = ["KEY_BYTES", "SHREDDED", "DataKey", "TenantKeys", "decrypted", "encrypted"]

KEY_BYTES = 32
SHREDDED = "$shredded"
_NONCE = 12
_SALT = 16


def encrypted(cipher: AESGCM, plain: bytes, bound: bytes) -> bytes:
    """Nonce and ciphertext with its tag."""
    nonce = secrets.token_bytes(_NONCE)
    return nonce + cipher.encrypt(nonce, plain, bound)


def decrypted(cipher: AESGCM, content: bytes, bound: bytes) -> bytes:
    """The plain bytes.

    Raises:
        InvalidTag: content or what it is bound to are not those of the sealing.
    """
    if len(content) < _NONCE + 16:
        raise InvalidTag
    return cipher.decrypt(content[:_NONCE], content[_NONCE:], bound)


class DataKey:
    """One data key, ready to be used."""

    __slots__ = ("_likeness", "cipher", "number")

    def __init__(self, number: int, key: bytes) -> None:
        self.number = number
        self.cipher = AESGCM(key)
        # A key of its own for digests: what one of them is used for tells nothing about the other.
        self._likeness = hmac.digest(key, b"moothill digest v1", "sha256")

    def digest(self, plain: bytes) -> bytes:
        """The same for the same value; nobody without the key can try values out."""
        return hmac.digest(self._likeness, plain, "sha256")

    def __repr__(self) -> str:
        return f"<DataKey {self.number}>"

    def __reduce__(self) -> str:
        raise TypeError("a data key does not leave its process")


@dataclass(frozen=True, slots=True)
class TenantKeys:
    """What a call knows of its tenant's keys.

    Attributes:
        tenant: whose.
        active: number of the key that new values are sealed with; None: the tenant does not encrypt.
        known: number -> key, or why it cannot be had.
    """

    tenant: UUID
    active: int | None = None
    known: Mapping[int, DataKey | MoothillError] = field(default_factory=dict, repr=False)

    def following(self, key: DataKey | None) -> "TenantKeys":
        """These keys after a change of the active one."""
        known = {**self.known, **({key.number: key} if key else {})}
        return TenantKeys(self.tenant, key.number if key else None, known)

    def shredded(self) -> "TenantKeys":
        """These keys once they are destroyed."""
        return TenantKeys(self.tenant, None, {number: ValueShredded() for number in self.known})

    def digest(self, plain: bytes) -> bytes:
        """What stands for a value where equal ones are counted: SHA-256, keyed where the tenant encrypts."""
        return hashlib.sha256(plain).digest() if self.active is None else self._key(self.active).digest(plain)

    def digests(self, plain: bytes) -> list[bytes]:
        """Every digest that may have been stored of a value, under keys of before too; the one of today first."""
        known = [key.digest(plain) for key in self.known.values() if isinstance(key, DataKey)]
        return list(dict.fromkeys([self.digest(plain), *known, hashlib.sha256(plain).digest()]))

    def stored(self, table: SealedTable, column: str, row: Sequence[object], plain: bytes) -> str | bytes:
        """A plain value as it goes into its column: sealed, or escaped in a tenant that does not encrypt."""
        kind = table.columns[column]
        if self.active is None or plain in EMPTY[kind]:
            return escaped(kind, plain)
        return self.sealed(table, column, row, plain, salt=secrets.token_bytes(_SALT))

    def sealed(
        self,
        table: SealedTable,
        column: str,
        row: Sequence[object],
        plain: bytes,
        *,
        salt: bytes,
        proof: bytes | None = None,
    ) -> str | bytes:
        """A value sealed with the active key; in a log with its salt, and the proof that it had before."""
        assert self.active is not None
        key = self._key(self.active)
        content = salt + plain if table.is_log else plain
        if table.is_log and proof is None:
            proof = hashlib.sha256(content).digest()
        bound = self._bound(table, column, row, key.number)
        return written(table.columns[column], key.number, encrypted(key.cipher, content, bound), proof)

    def opened(self, table: SealedTable, column: str, row: Sequence[object], found: Sealed) -> tuple[bytes, bytes]:
        """Plain value and salt (empty outside of a log) of a sealed one.

        Raises:
            SealBroken: it was changed, or belongs to another tenant, field or row.
            ValueShredded: its key was destroyed.
            TenantKeysChanged: its key was made after these were read; with `retry`.
        """
        key = self._key(found.number)
        try:
            content = decrypted(key.cipher, found.content, self._bound(table, column, row, found.number))
        except InvalidTag:
            raise self._broken(table, column, row) from None
        if not table.is_log:
            return content, b""
        # Whoever rewrote the log, with the keys, could not change what had been logged.
        if found.proof != hashlib.sha256(content).digest():
            raise self._broken(table, column, row)
        return content[_SALT:], content[:_SALT]

    def shown(self, table: SealedTable, column: str, row: Sequence[object], value: Any) -> Any:
        """A column's value as callers see it, whatever it is in the column."""
        kind = table.columns[column]
        found = read(kind, value)
        if found is None:
            return value
        if found.number == 0:
            return found.content
        try:
            plain, _ = self.opened(table, column, row, found)
        except ValueShredded:
            if table.unreadable == "error":
                raise
            marker = {SHREDDED: [None, None] if column == "changes" else True}
            return marker if kind == "json" else "[shredded]"
        if kind == "json":
            return orjson.loads(plain)
        return plain if kind == "bytes" else plain.decode()

    def _key(self, number: int) -> DataKey:
        found = self.known.get(number)
        if isinstance(found, DataKey):
            return found
        if found is not None:
            raise type(found)(found.message, **found.context)
        # Made after these were read, or by nobody: the ring that is told to look for it finds out.
        raise TenantKeysChanged(retry=True, key=number)

    def _bound(self, table: SealedTable, column: str, row: Sequence[object], number: int) -> bytes:
        return orjson.dumps(
            ["moothill 1", str(self.tenant), f"{table.name}.{column}", number, *(str(each) for each in row)]
        )

    def _broken(self, table: SealedTable, column: str, row: Sequence[object]) -> SealBroken:
        where = " ".join(str(each)[:100] for each in row)
        return SealBroken(
            f"The sealed value {table.name}.{column} of {where} is not what was sealed there: it was changed, or "
            "moved from another place. Restore the row from a backup.",
            field=f"{table.name}.{column}",
        )
