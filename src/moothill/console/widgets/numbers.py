"""Numbers that people write into a field."""

from ...kernel.errors import Invalid

__all__ = ["NotANumber", "whole"]


class NotANumber(Invalid):
    """A field wants a number."""


def whole(words: str, given: object) -> int:
    """The whole number that stands in a field; blanks between its digits do not matter.

    Raises:
        NotANumber: it is none.
    """
    digits = "".join(str(given).split())
    if not (digits.isascii() and digits.isdecimal()) or len(digits) > 18:
        raise NotANumber(f"{words}: give a whole number.")
    return int(digits)
