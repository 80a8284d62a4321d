"""Where in a sentence a mention stands. Pure."""

import re
from dataclasses import dataclass

__all__ = ["Marked", "mark_mention"]


@dataclass(frozen=True, slots=True)
class Marked:
    """A sentence in three parts; the middle one is the mention, empty when it does not occur."""

    before: str
    mention: str
    after: str


def mark_mention(sentence: str, mention: str, start: int | None, end: int | None) -> Marked:
    """Find a mention in its sentence.

    Positions count in the whole text, of which the sentence may be a part: they are believed where
    they fit, else the words themselves are looked for.
    """
    if (
        start is not None
        and end is not None
        and 0 <= start <= end
        and sentence[start:end].casefold() == mention.casefold()
    ):
        return Marked(sentence[:start], sentence[start:end], sentence[end:])
    words = re.escape(mention)
    found = re.search(words, sentence) or re.search(words, sentence, re.IGNORECASE)
    if found is None or not mention:
        return Marked(sentence, "", "")
    return Marked(sentence[: found.start()], found[0], sentence[found.end() :])
