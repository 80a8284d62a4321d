"""Keys as texts: their form and their checksum, for who makes them and for who looks for them in files.

A key is `moot_`, 43 characters of base62 that are drawn, and six that are the CRC-32 of what stands before
them. Whoever scans texts for keys finds it by its prefix, and tells it from a look-alike without asking anybody.
Keys that were issued before there was a checksum, `moot_` and 43 characters of base64url, go on working.
"""

import re
import zlib
from collections.abc import Iterator

__all__ = ["EXPRESSION", "PREFIX", "RANDOM_BYTES", "find_secrets", "hint", "is_secret", "is_whole", "make_secret"]

PREFIX = "moot_"
DRAWN, CHECKED = 43, 6
RANDOM_BYTES = 32
_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
# What scanners look for; documented, and also given to secret-scanning partners.
EXPRESSION = rf"\b{PREFIX}[0-9A-Za-z]{{{DRAWN + CHECKED}}}\b"
_FORM = re.compile(rf"{PREFIX}[0-9A-Za-z]{{{DRAWN + CHECKED}}}")
_OLD_FORM = re.compile(rf"{PREFIX}[A-Za-z0-9_-]{{{DRAWN}}}")
# Not \b: an underscore before a key is no part of it.
_ANYWHERE = re.compile(
    rf"(?<![0-9A-Za-z]){PREFIX}[0-9A-Za-z]{{{DRAWN + CHECKED}}}(?![0-9A-Za-z])"
    rf"|(?<![0-9A-Za-z_-]){PREFIX}[A-Za-z0-9_-]{{{DRAWN}}}(?![0-9A-Za-z_-])"
)


def make_secret(random: bytes) -> str:
    """A secret from random bytes.

    Args:
        random: 32 bytes, drawn by the operating system.
    """
    if len(random) != RANDOM_BYTES:
        raise ValueError(f"a secret takes {RANDOM_BYTES} random bytes, not {len(random)}")
    body = PREFIX + _base62(int.from_bytes(random), DRAWN)
    return body + _checksum(body)


def is_secret(text: str) -> bool:
    """Whether a text has the form of a secret, of today's or of the older one."""
    return bool(_FORM.fullmatch(text) or _OLD_FORM.fullmatch(text))


def is_whole(secret: str) -> bool:
    """Whether the checksum of a secret fits; one of the older form has none."""
    if not _FORM.fullmatch(secret):
        return bool(_OLD_FORM.fullmatch(secret))
    return _checksum(secret[:-CHECKED]) == secret[-CHECKED:]


def find_secrets(text: str) -> Iterator[tuple[int, str]]:
    """Place and text of everything in a text that is a key by its form and its checksum."""
    for match in _ANYWHERE.finditer(text):
        if is_whole(match[0]):
            yield match.start(), match[0]


def hint(secret: str) -> str:
    """The first characters of a secret, enough to recognise it and useless to guess it."""
    return secret[: len(PREFIX) + 6]


def _checksum(body: str) -> str:
    return _base62(zlib.crc32(body.encode()), CHECKED)


def _base62(number: int, width: int) -> str:
    digits: list[str] = []
    for _ in range(width):
        number, place = divmod(number, len(_ALPHABET))
        digits.append(_ALPHABET[place])
    return "".join(reversed(digits))
