"""KEKs in a KMS: the transit engine of HashiCorp Vault and OpenBao, over HTTP. Name it by
`kms = "moothill.database.sealing.transit:transit"`.

Its address and token are in `VAULT_ADDR` and `VAULT_TOKEN`, as its own tools have it; `VAULT_TRANSIT_KEY` names the
key (default `moothill`), of the type aes256-gcm96, and `VAULT_CACERT` a file of certificates. The KMS never sees more
than data keys of 32 bytes, and this process never sees the KEK.
"""

import base64
import binascii
import os
import ssl
from typing import Any
from urllib.parse import quote

import httpx

from ...kernel.settings import Settings
from .errors import KeyEncryptionInvalid, KeyEncryptionMissing, KeyEncryptionUnavailable
from .wrapping import Wrapped

__all__ = ["TransitKeys", "transit"]

_SECONDS = 3.0


class TransitKeys:
    """Wraps by `transit/encrypt`, unwraps by `transit/decrypt`; tenant and number are associated data."""

    def __init__(self, address: str, token: str, key: str = "moothill", *, certificates: str | None = None) -> None:
        self._key = key
        self._client = httpx.AsyncClient(
            base_url=address.rstrip("/") + "/v1/transit/",
            headers={"X-Vault-Token": token},
            timeout=_SECONDS,
            trust_env=False,
            verify=ssl.create_default_context(cafile=certificates) if address.startswith("https") else False,
        )

    def __repr__(self) -> str:
        return f"<TransitKeys {self._key}>"

    async def current(self) -> str:
        """The newest version of the key."""
        data = await self._ask("GET", f"keys/{quote(self._key, safe='')}")
        return self._id(data.get("latest_version"))

    async def wrap(self, key: bytes, bound: bytes) -> Wrapped:
        """Wrap with the newest version."""
        data = await self._ask("POST", f"encrypt/{quote(self._key, safe='')}", plaintext=key, associated_data=bound)
        text = str(data.get("ciphertext", ""))
        return Wrapped(self._id(text.split(":")[1].removeprefix("v") if text.count(":") == 2 else None), text.encode())

    async def unwrap(self, wrapped: Wrapped, bound: bytes) -> bytes:
        """Unwrap with the version that the wrapped key names."""
        name = wrapped.kek.removeprefix("transit:").rpartition(":")[0]
        if not wrapped.kek.startswith("transit:") or not name:
            raise KeyEncryptionMissing(
                f"The key-encryption key {wrapped.kek!r} is none of this service's; configure what wrapped with it.",
                kek=wrapped.kek,
            )
        data = await self._ask(
            "POST",
            f"decrypt/{quote(name, safe='')}",
            kek=wrapped.kek,
            ciphertext=wrapped.content,
            associated_data=bound,
        )
        try:
            return base64.b64decode(str(data["plaintext"]), validate=True)
        except (KeyError, binascii.Error):
            raise KeyEncryptionUnavailable("The key service answered with something that is no key.") from None

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    def _id(self, version: object) -> str:
        if not str(version).isdigit():
            raise KeyEncryptionUnavailable("The key service answered without the version of its key.")
        return f"transit:{self._key}:v{version}"

    async def _ask(self, method: str, path: str, *, kek: str | None = None, **values: bytes) -> dict[str, Any]:
        body = {
            # Its own ciphertext is text; everything else travels as base64.
            name: value.decode() if name == "ciphertext" else base64.b64encode(value).decode()
            for name, value in values.items()
        }
        try:
            answer = await self._client.request(method, path, json=body or None)
            said = answer.json()
        except (httpx.HTTPError, ValueError) as error:
            raise KeyEncryptionUnavailable(
                f"The key service does not answer ({type(error).__name__}); what is cached goes on working."
            ) from None
        # It says 400 both for a key that it does not have any more and for what it cannot authenticate.
        if answer.status_code in (400, 404) and kek is not None:
            raise KeyEncryptionMissing(
                f"The key service cannot unwrap with {kek!r}: that version is gone, or the wrapped key was changed.",
                kek=kek,
            )
        if answer.status_code != 200 or not isinstance(said, dict) or not isinstance(said.get("data"), dict):
            raise KeyEncryptionUnavailable(f"The key service refused (status {answer.status_code}).")
        data: dict[str, Any] = said["data"]
        return data


def transit(settings: Settings) -> TransitKeys:
    """The transit engine that the environment names.

    Raises:
        KeyEncryptionInvalid: `VAULT_ADDR` or `VAULT_TOKEN` is missing.
    """
    address, token = os.environ.get("VAULT_ADDR"), os.environ.get("VAULT_TOKEN")
    if not address or not token:
        raise KeyEncryptionInvalid("Set VAULT_ADDR and VAULT_TOKEN for the key service.", field="kms")
    return TransitKeys(
        address,
        token,
        os.environ.get("VAULT_TRANSIT_KEY") or "moothill",
        certificates=os.environ.get("VAULT_CACERT") or None,
    )
