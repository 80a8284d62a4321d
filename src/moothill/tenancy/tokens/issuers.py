"""The public keys of an issuer: found by its discovery document, kept, and fetched again when they rotate.

A key that is not known is looked for at most once in ten seconds, however many tokens name it. While the
issuer does not answer, keys that are known go on working, for a day.
"""

import asyncio
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx
import orjson
from jwt import PyJWK
from jwt.exceptions import PyJWTError

from .claims import FAMILIES, is_loopback, safe_url
from .errors import IssuerUnavailable, TokenRefused

__all__ = ["Issuer"]

FRESH_SECONDS = 600.0
STALE_SECONDS = 86_400.0
RETRY_SECONDS = 10.0
FETCH_SECONDS = 5.0
LARGEST = 262_144
MOST_KEYS = 100
_LEAST_RSA_BITS = 2048
_PLACES = ("/.well-known/openid-configuration", "/.well-known/oauth-authorization-server")

_log = logging.getLogger("moothill.tokens")


class _Unusable(Exception):
    """What the issuer answered cannot be used; the text says why, and holds nothing of the answer."""


@dataclass(slots=True)
class Issuer:
    """One issuer, and its keys as far as they are known."""

    url: str
    algorithms: tuple[str, ...]
    _keys: list[Mapping[str, Any]] = field(default_factory=list)
    _fetched: float | None = None
    _tried: float | None = None
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def key(self, kid: str | None, algorithm: str) -> PyJWK:
        """The key that signs with an algorithm under an id.

        Raises:
            TokenRefused: the issuer has no such key.
            IssuerUnavailable: nothing is known of its keys, and it does not answer.
        """
        found = self._find(kid, algorithm)
        if found is None or not self._is_younger(FRESH_SECONDS):
            await self._renew()
            found = self._find(kid, algorithm)
        if found is None and not self._is_younger(STALE_SECONDS):
            raise IssuerUnavailable(retry_after=RETRY_SECONDS)
        if found is None:
            raise TokenRefused("This bearer token was signed with a key that its issuer does not publish.")
        return _usable(found, algorithm)

    def _find(self, kid: str | None, algorithm: str) -> Mapping[str, Any] | None:
        fitting = [each for each in self._keys if _fits(each, algorithm)]
        if kid is None:
            # Without an id only an issuer with one key leaves no doubt.
            return fitting[0] if len(fitting) == 1 else None
        return next((each for each in fitting if each.get("kid") == kid), None)

    def _is_younger(self, seconds: float) -> bool:
        return self._fetched is not None and time.monotonic() - self._fetched < seconds

    async def _renew(self) -> None:
        async with self._lock:
            if self._tried is not None and time.monotonic() - self._tried < RETRY_SECONDS:
                return
            try:
                keys = await self._fetch()
            except (TimeoutError, httpx.HTTPError, httpx.InvalidURL, ValueError, _Unusable) as error:
                why = str(error) if isinstance(error, _Unusable) else type(error).__name__
                _log.warning("issuer_does_not_answer", extra={"issuer": self.url, "why": why})
                if not self._is_younger(STALE_SECONDS):
                    self._keys = []
            else:
                self._keys, self._fetched = keys, time.monotonic()
            self._tried = time.monotonic()

    async def _fetch(self) -> list[Mapping[str, Any]]:
        local = is_loopback(self.url)
        async with (
            asyncio.timeout(FETCH_SECONDS),
            # A proxy of the environment is for what lies outside of this machine.
            httpx.AsyncClient(follow_redirects=False, timeout=FETCH_SECONDS, trust_env=not local) as client,
        ):
            found: Any = None
            for place in _PLACES:
                found = await _document(client, self.url.rstrip("/") + place)
                if found is not None:
                    break
            if found is None:
                raise _Unusable("it has no discovery document")
            if found.get("issuer") != self.url:
                raise _Unusable("its discovery document names another issuer")
            where = found.get("jwks_uri")
            if not isinstance(where, str) or not safe_url(where) or (is_loopback(where) and not local):
                raise _Unusable("its discovery document names no safe address of keys")
            answer = await _document(client, where)
        keys = None if answer is None else answer.get("keys")
        if not isinstance(keys, list):
            raise _Unusable("it publishes no keys")
        return [each for each in keys[:MOST_KEYS] if isinstance(each, Mapping) and each.get("use", "sig") == "sig"]


def _fits(key: Mapping[str, Any], algorithm: str) -> bool:
    kind, curve = FAMILIES[algorithm]
    return (
        key.get("kty") == kind
        and (curve is None or key.get("crv") == curve)
        and key.get("alg", algorithm) == algorithm
        and ("key_ops" not in key or (isinstance(key["key_ops"], list) and "verify" in key["key_ops"]))
    )


def _usable(key: Mapping[str, Any], algorithm: str) -> PyJWK:
    try:
        made = PyJWK(dict(key), algorithm)
    except (PyJWTError, ValueError, TypeError, KeyError):
        raise TokenRefused("This bearer token was signed with a key that its issuer publishes malformed.") from None
    if getattr(made.key, "key_size", _LEAST_RSA_BITS) < _LEAST_RSA_BITS and key.get("kty") == "RSA":
        raise TokenRefused("This bearer token was signed with a key of less than 2,048 bits.")
    return made


async def _document(client: httpx.AsyncClient, url: str) -> dict[str, Any] | None:
    """A JSON object from an address, within limits; None where there is none."""
    async with client.stream("GET", url, headers={"Accept": "application/json"}) as answer:
        if answer.status_code == 404:
            return None
        if answer.status_code != 200:
            raise _Unusable(f"it answers {answer.status_code}")
        body = b""
        async for piece in answer.aiter_bytes():
            body += piece
            if len(body) > LARGEST:
                raise _Unusable("its answer is too large")
    found = orjson.loads(body)
    if not isinstance(found, dict):
        raise _Unusable("its answer is no JSON object")
    return found
