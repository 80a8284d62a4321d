"""What the settings say of tokens, and what a token that was verified says of its bearer."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit
from uuid import NAMESPACE_URL, UUID, uuid5

from pydantic import TypeAdapter, ValidationError

from ...kernel.context import KeyHolderKind
from ...kernel.errors import Invalid
from ...kernel.scopes import Scope
from ...kernel.settings import Settings
from .errors import TokenOfNobody

__all__ = [
    "FAMILIES",
    "Bearer",
    "TokenRules",
    "bearer_of",
    "is_loopback",
    "looks_like_token",
    "safe_url",
    "token_rules",
]

# Signatures by key pairs only: with a shared secret the server's public key would be one that forges (RFC 8725).
FAMILIES: Mapping[str, tuple[str, str | None]] = {
    "RS256": ("RSA", None),
    "RS384": ("RSA", None),
    "RS512": ("RSA", None),
    "PS256": ("RSA", None),
    "PS384": ("RSA", None),
    "PS512": ("RSA", None),
    "ES256": ("EC", "P-256"),
    "ES384": ("EC", "P-384"),
    "ES512": ("EC", "P-521"),
    "EdDSA": ("OKP", "Ed25519"),
}
LONGEST_TOKEN = 16_384
_TOKEN = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*")
_ONE_SCOPE: TypeAdapter[str] = TypeAdapter(Scope)
_MOST_SCOPES = 64
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRules:
    """Which tokens are taken, and how they are read.

    Attributes:
        issuers: whose tokens; exactly what stands in `iss`.
        audiences: what must stand in `aud`, one of them.
        algorithms: the only ones.
        leeway: seconds by which clocks may differ.
    """

    issuers: tuple[str, ...]
    audiences: tuple[str, ...]
    algorithms: tuple[str, ...]
    leeway: float
    tenant_claim: str
    actor_claim: str
    scope_claim: str


@dataclass(frozen=True, slots=True)
class Bearer:
    """Whom a verified token speaks for, before the database is asked.

    Attributes:
        reference: name or id of the service account or agent; of an operator nothing.
        identity: id of an operator, and of the token's bearer where calls are counted.
        name: of an operator, for the log.
    """

    tenant: str
    kind: KeyHolderKind
    reference: str
    scopes: tuple[str, ...]
    identity: UUID
    name: str


def token_rules(settings: Settings) -> TokenRules | None:
    """The rules that the settings make; None where they name no issuer.

    Raises:
        Invalid: with the setting, what is wrong with it, and what it may be.
    """
    issuers = tuple(_words(settings.oidc_issuers))
    if not issuers:
        return None
    for issuer in issuers:
        if not safe_url(issuer) or urlsplit(issuer).query or urlsplit(issuer).fragment:
            raise Invalid(
                "Setting oidc_issuers: an issuer is an https address without query (http on loopback only).",
                field="oidc_issuers",
            )
    audiences = tuple(_words(settings.oidc_audience))
    if not audiences:
        raise Invalid(
            "Setting oidc_audience: say what tokens must name as their audience, such as this server's address; "
            "without it a token for any other service would open this one.",
            field="oidc_audience",
        )
    algorithms = tuple(_words(settings.oidc_algorithms))
    if not algorithms or (unknown := [each for each in algorithms if each not in FAMILIES]):
        named = f"{unknown[0]!r} is not taken" if algorithms else "none is named"
        raise Invalid(
            f"Setting oidc_algorithms: {named}; choose of {', '.join(FAMILIES)}.",
            field="oidc_algorithms",
        )
    return TokenRules(
        issuers=issuers,
        audiences=audiences,
        algorithms=algorithms,
        leeway=settings.oidc_leeway / timedelta(seconds=1),
        tenant_claim=settings.oidc_tenant_claim,
        actor_claim=settings.oidc_actor_claim,
        scope_claim=settings.oidc_scope_claim,
    )


def looks_like_token(secret: str) -> bool:
    """Whether a bearer's secret has the form of a signed JSON Web Token."""
    return bool(_TOKEN.fullmatch(secret)) if len(secret) <= LONGEST_TOKEN else secret.startswith("eyJ")


def is_loopback(url: str) -> bool:
    """Whether an address is of this machine."""
    return urlsplit(url).hostname in ("127.0.0.1", "::1", "localhost")


def safe_url(url: str) -> bool:
    """Whether keys may be fetched there: https towards a public name or address, or http on loopback."""
    try:
        parts = urlsplit(url)
        host = parts.hostname
        _ = parts.port
    except ValueError:
        return False
    if not host or parts.username is not None or parts.password is not None:
        return False
    if is_loopback(url):
        return parts.scheme in ("http", "https")
    try:
        return parts.scheme == "https" and ip_address(host).is_global
    except ValueError:
        return parts.scheme == "https"


def bearer_of(rules: TokenRules, claims: Mapping[str, Any]) -> Bearer:
    """Whom the claims of a verified token name.

    Raises:
        TokenOfNobody: a claim is missing, or is no text; its name is told.
    """
    subject = _text(claims, "sub")
    issuer = _text(claims, "iss")
    kind, reference = _actor(claims, rules.actor_claim)
    named = claims.get("name") or claims.get("preferred_username") or subject
    name = _UNPRINTABLE.sub(" ", str(named)).strip()[:255] or "bearer"
    scopes = tuple(_scopes(claims.get(rules.scope_claim)))
    if kind == "agent":
        scopes = tuple(scope for scope in scopes if scope != "*")
    return Bearer(
        tenant=_text(claims, rules.tenant_claim),
        kind=kind,
        reference=reference,
        scopes=scopes,
        identity=uuid5(NAMESPACE_URL, f"{issuer}#{subject}"),
        name=name,
    )


def _actor(claims: Mapping[str, Any], claim: str) -> tuple[KeyHolderKind, str]:
    """`service:NAME` and `agent:KEY` name one of ours; without the claim the bearer is an operator."""
    said = claims.get(claim)
    if said is None or said == "operator":
        return "operator", ""
    kind, _, reference = str(said).partition(":") if isinstance(said, str) else ("", "", "")
    if not 0 < len(reference) <= 255:
        raise TokenOfNobody(f"The claim {claim} of this token is operator, service:NAME or agent:KEY; it is not.")
    if kind == "agent":
        return "agent", reference
    if kind == "service":
        return "service", reference
    raise TokenOfNobody(f"The claim {claim} of this token is operator, service:NAME or agent:KEY; it is not.")


def _text(claims: Mapping[str, Any], claim: str) -> str:
    value = claims.get(claim)
    if not isinstance(value, str) or not 0 < len(value) <= 500 or "\x00" in value:
        raise TokenOfNobody(f"This token has no claim {claim} that is a text; its issuer must add it.", claim=claim)
    return value


def _scopes(value: Any) -> Iterator[str]:
    """The scopes of ours that a token holds; others are not ours, and the platform's no issuer gives."""
    words = value.split() if isinstance(value, str) else value if isinstance(value, list) else []
    seen: set[str] = set()
    for word in words:
        try:
            scope = _ONE_SCOPE.validate_python(word, strict=True)
        except ValidationError:
            continue
        if not scope.startswith("platform:") and scope not in seen and len(seen) < _MOST_SCOPES:
            seen.add(scope)
            yield scope


def _words(text: str | None) -> Iterator[str]:
    return filter(None, (text or "").replace(",", " ").split())
