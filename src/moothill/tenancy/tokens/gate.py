"""The gate for tokens: signature and claims first, then one look-up of whom they name."""

import hashlib
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import jwt
from jwt.exceptions import (
    ExpiredSignatureError,
    ImmatureSignatureError,
    InvalidAudienceError,
    InvalidIssuerError,
    MissingRequiredClaimError,
    PyJWTError,
)

from ...database.control import find_token_actor
from ...database.pool import Database
from ...kernel.context import Actor, Principal
from ..accounts.rules import scopes_in_force
from ..keys.errors import TenantSuspended
from ..keys.gate import CACHE_SECONDS, rates_of
from .claims import LONGEST_TOKEN, TokenRules, bearer_of, looks_like_token
from .errors import TokenExpired, TokenMalformed, TokenOfNobody, TokenRefused
from .issuers import Issuer

__all__ = ["TokenGate"]

_CACHE_SIZE = 10_000
_LAST = 253_402_300_799  # the end of the year 9999
_REQUIRED = ["exp", "iat", "aud", "iss", "sub"]


@dataclass(slots=True)
class TokenGate:
    """Authenticates bearers of tokens against one database."""

    rules: TokenRules
    database: Database
    _issuers: dict[str, Issuer] = field(init=False)
    _cache: dict[bytes, tuple[float, Principal]] = field(default_factory=dict)
    _generation: int = 0

    def __post_init__(self) -> None:
        self._issuers = {url: Issuer(url, self.rules.algorithms) for url in self.rules.issuers}

    def takes(self, secret: str) -> bool:
        """Whether a secret is a token, and no key of our own."""
        return looks_like_token(secret)

    async def authenticate(self, token: str) -> Principal:
        """The principal of a token.

        Raises:
            TokenMalformed, TokenExpired, TokenRefused, TokenOfNobody: no principal.
            IssuerUnavailable: it cannot be checked now.
            TenantSuspended: its tenant rests.
        """
        if len(token) > LONGEST_TOKEN:
            raise TokenMalformed(f"A bearer token has at most {LONGEST_TOKEN:,} characters.", limit=LONGEST_TOKEN)
        digest = hashlib.sha256(token.encode()).digest()
        now = time.monotonic()
        cached = self._cache.get(digest)
        if cached is not None and now < cached[0]:
            return cached[1]
        generation = self._generation
        claims = await self._verified(token)
        principal = await self._principal(claims)
        if len(self._cache) >= _CACHE_SIZE:
            self._cache.clear()
        if generation == self._generation:
            left = _end(claims) + self.rules.leeway - time.time()
            self._cache[digest] = (now + min(CACHE_SECONDS, max(0.0, left)), principal)
        return principal

    def forget(self) -> None:
        """Trust no cached answer any more: an account, an agent or a tenant changed."""
        self._generation += 1
        self._cache.clear()

    async def _verified(self, token: str) -> dict[str, Any]:
        algorithm, kid, issuer = self._read(token)
        key = await issuer.key(kid, algorithm)
        try:
            return jwt.decode(
                token,
                key,
                algorithms=[algorithm],
                audience=self.rules.audiences,
                issuer=issuer.url,
                leeway=self.rules.leeway,
                options={"require": _REQUIRED},
            )
        except ExpiredSignatureError:
            raise TokenExpired() from None
        except ImmatureSignatureError:
            raise TokenRefused("This bearer token is not valid yet; compare the clocks of issuer and server.") from None
        except InvalidAudienceError:
            raise TokenRefused("This bearer token is for another audience; ask for one for this server.") from None
        except InvalidIssuerError:
            raise TokenRefused() from None
        except MissingRequiredClaimError as error:
            raise TokenRefused(f"This bearer token lacks the claim {error.claim}.", claim=error.claim) from None
        except (PyJWTError, ValueError, TypeError, OverflowError):
            raise TokenRefused(
                "The signature of this bearer token does not fit, or its claims are no claims."
            ) from None

    def _read(self, token: str) -> tuple[str, str | None, Issuer]:
        """Algorithm, key and issuer that a token claims: no more than where to look, until it is verified."""
        try:
            header = jwt.get_unverified_header(token)
            claimed = jwt.decode(token, options={"verify_signature": False}).get("iss")
        except (PyJWTError, ValueError, TypeError, RecursionError):
            raise TokenMalformed() from None
        algorithm, kid = header.get("alg"), header.get("kid")
        if algorithm not in self.rules.algorithms:
            raise TokenRefused(
                f"This bearer token is not signed as this server asks; it takes {', '.join(self.rules.algorithms)}."
            )
        issuer = self._issuers.get(claimed) if isinstance(claimed, str) else None
        if issuer is None:
            raise TokenRefused("This bearer token comes from an issuer that this server does not trust.")
        return algorithm, kid, issuer

    async def _principal(self, claims: dict[str, Any]) -> Principal:
        bearer = bearer_of(self.rules, claims)
        row = await find_token_actor(self.database, bearer.tenant, bearer.kind, bearer.reference)
        if row is None or row["is_actor_gone"]:
            # Which of the two is nobody's business.
            raise TokenOfNobody()
        if row["tenant_status"] != "active":
            raise TenantSuspended(f"Tenant {row['tenant_slug']} is suspended; ask the platform's operator.")
        actor = Actor(bearer.kind, row["actor_id"] or bearer.identity, row["actor_name"] or bearer.name)
        return Principal(
            tenant=row["tenant_id"],
            tenant_slug=row["tenant_slug"],
            actor=actor,
            scopes=scopes_in_force(bearer.scopes, row["ceiling"]),
            # Where calls and streams are counted by key, a token counts as its bearer.
            key=bearer.identity,
            key_expires_at=datetime.fromtimestamp(_end(claims), UTC),
            rates=rates_of(row["rates"]),
        )


def _end(claims: Mapping[str, Any]) -> int:
    """When a token ends; some issuers write it as a text, and some as a moment that no calendar has."""
    return min(int(claims["exp"]), _LAST)
