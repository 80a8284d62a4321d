"""Secrets: their form and their digest. 256 random bits need no slow hash and no salt."""

import hashlib
import re

PREFIX = "moot_"
_FORM = re.compile(r"^moot_[A-Za-z0-9_-]{43}$")


def is_secret(text: str) -> bool:
    """Whether a text has the form of a secret: `moot_` and 43 characters of base64url."""
    return bool(_FORM.match(text))


def digest(secret: str) -> bytes:
    """SHA-256 of a secret: what is stored and looked up."""
    return hashlib.sha256(secret.encode()).digest()


def hint(secret: str) -> str:
    """The first characters of a secret, enough to recognise it and useless to guess it."""
    return secret[: len(PREFIX) + 6]
