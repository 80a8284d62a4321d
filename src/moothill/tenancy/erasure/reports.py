"""Reports of erasures: canonical JSON (RFC 8785), signed with Ed25519, verified without any server.

The library of signatures is imported where one is made or checked: a process that does neither starts quicker.
"""

import base64
import binascii
import hashlib
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from ...kernel.service import Executor
from ..retention.archiving import settings_of
from .errors import NoSigningKey, ReportAltered
from .rules import FORMAT

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

__all__ = ["digest_of", "key_of", "new_key", "public_text", "sign", "verify_report"]

_BYTES = 32


def new_key() -> str:
    """A new private key as text, for a file or a setting: 32 random bytes, base64."""
    return base64.b64encode(secrets.token_bytes(_BYTES)).decode()


def key_of(executor: Executor) -> "Ed25519PrivateKey":
    """The key that this process signs with.

    Raises:
        NoSigningKey: the settings name none, or what they name is no key.
    """
    settings = settings_of(executor)
    if settings.signing_key is not None:
        return _key(settings.signing_key.get_secret_value(), "MOOTHILL_SIGNING_KEY")
    if settings.signing_key_file is not None:
        return _key(_text(settings.signing_key_file), str(settings.signing_key_file))
    raise NoSigningKey()


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise NoSigningKey(f"The signing key in {path} cannot be read: {type(error).__name__}.") from None


def _key(text: str, where: str) -> "Ed25519PrivateKey":
    try:
        raw = base64.b64decode(text.strip(), validate=True)
    except binascii.Error:
        raw = b""
    if len(raw) != _BYTES:
        raise NoSigningKey(f"{where} holds no key; it is 32 random bytes as base64 (`openssl rand -base64 32`).")
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return Ed25519PrivateKey.from_private_bytes(raw)


def public_text(key: "Ed25519PrivateKey") -> str:
    """The public key, base64."""
    return base64.b64encode(key.public_key().public_bytes_raw()).decode()


def sign(body: Mapping[str, Any], key: "Ed25519PrivateKey") -> str:
    """The report with its signature, as canonical JSON."""
    import rfc8785

    value = key.sign(rfc8785.dumps(dict(body)))
    signature = {
        "algorithm": "Ed25519",
        "public_key": public_text(key),
        "value": base64.b64encode(value).decode(),
    }
    return rfc8785.dumps({"report": dict(body), "signature": signature}).decode()


def digest_of(document: str) -> str:
    """SHA-256 of a report with its signature, which the next report names."""
    return hashlib.sha256(document.encode()).hexdigest()


def verify_report(
    document: bytes | str | Mapping[str, Any], *, public_key: str | None = None, previous: str | None = None
) -> dict[str, Any]:
    """What a report says, if it is what was signed. Needs no server and no network.

    Args:
        document: the report with its signature, as JSON in whatever form or already parsed.
        public_key: base64; the signature must be of this key. Without it, only that nothing was altered since
            whoever holds the key in the report signed it is known, not who that was.
        previous: SHA-256 of the report before it, which this one must name.

    Raises:
        ReportAltered: it was altered, is no report, or is not signed by that key.
    """
    import rfc8785
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        parsed = document if isinstance(document, Mapping) else orjson.loads(document)
        body, signature = dict(parsed["report"]), parsed["signature"]
        signer = str(signature["public_key"])
        value = base64.b64decode(signature["value"], validate=True)
        raw = base64.b64decode(signer, validate=True)
        is_known = signature["algorithm"] == "Ed25519" and body.get("format") == FORMAT
        signed = rfc8785.dumps(body)
    except (ValueError, TypeError, KeyError, rfc8785.CanonicalizationError):
        raise ReportAltered("This is no report of an erasure with its signature.") from None
    if not is_known or parsed.keys() != {"report", "signature"}:
        raise ReportAltered("This is no report of an erasure in a form that is known here.")
    if public_key is not None and signer != public_key.strip():
        raise ReportAltered("This report was signed with another key than the one that was asked for.")
    try:
        Ed25519PublicKey.from_public_bytes(raw).verify(value, signed)
    except (InvalidSignature, ValueError):
        raise ReportAltered("The signature does not fit: this report was altered after it was signed.") from None
    if previous is not None and body["previous"] != previous:
        raise ReportAltered("This report does not follow the one that was given: one between them is missing.")
    return body
