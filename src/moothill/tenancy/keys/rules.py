"""Secrets: their digest. 256 random bits need no slow hash and no salt."""

import hashlib

from ...kernel.key_texts import PREFIX, RANDOM_BYTES, hint, is_secret, is_whole, make_secret

__all__ = ["PREFIX", "RANDOM_BYTES", "digest", "hint", "is_secret", "is_whole", "make_secret"]


def digest(secret: str) -> bytes:
    """SHA-256 of a secret: what is stored and looked up."""
    return hashlib.sha256(secret.encode()).digest()
