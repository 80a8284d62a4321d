"""What somebody means by a line of text: words, phrases, beginnings of words, and what is to be left out.

- `"capacity plan"`: these words must stand there, one after the other;
- `kubern*`: any word that begins so (two letters at least);
- `-word`, `-"a phrase"`: what holds it is left out.

Everything else is words. Nothing in a text is an operator of the database's.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ...kernel.errors import Invalid
from .models import Correction
from .rules import spoken

__all__ = ["MOST", "QueryTooElaborate", "Wording", "corrected", "corrections", "slips", "worded"]

# Each phrase, beginning and exclusion costs a look-up of its own.
MOST = 10
_QUOTES = str.maketrans("“”„«»", '"""""')
_MARKED = re.compile(
    r'(?P<minus>(?<!\S)-)?"(?P<phrase>[^"]*)"'
    r"|(?<!\S)-(?P<without>[^\W\d_][^\s\"]*)"
    r"|(?<!\w)(?P<start>[^\W_]{2,40})\*(?!\w)"
)
_LONG = 8
_ALIKE = 0.4


class QueryTooElaborate(Invalid):
    """The text has more phrases, beginnings or exclusions than one search takes; ask in several."""


@dataclass(frozen=True, slots=True)
class Wording:
    """A line of text, understood.

    Attributes:
        words: what is ranked: all words but those left out and beginnings.
        meaning: what is embedded: the text without its marks and without what is left out.
        phrases: what must stand there, word after word.
        beginnings: how words may begin, in small letters.
        without: words and phrases that must not stand there.
    """

    words: str
    meaning: str
    phrases: tuple[str, ...] = ()
    beginnings: tuple[str, ...] = ()
    without: tuple[str, ...] = ()

    @property
    def only_leaves_out(self) -> bool:
        """Whether it says nothing that could be looked for."""
        return bool(self.without) and not self.meaning.strip()

    @property
    def conditions(self) -> Mapping[str, Sequence[str]] | None:
        """What the statement takes beside the words; None for words alone."""
        if not (self.phrases or self.beginnings or self.without):
            return None
        return {"phrases": self.phrases, "beginnings": self.beginnings, "without": self.without}


def worded(text: str) -> Wording:
    """Understand a line of text; marks without a word beside them are passed over.

    Raises:
        QueryTooElaborate: more than ten phrases, beginnings or exclusions.
    """
    if not any(mark in text for mark in '"*-“„«'):
        return Wording(spoken(text), text)
    phrases: list[str] = []
    beginnings: list[str] = []
    without: list[str] = []
    words: list[str] = []
    meaning: list[str] = []
    end = 0
    plain = text.translate(_QUOTES)
    for match in _MARKED.finditer(plain):
        between = plain[end : match.start()]
        words.append(between)
        meaning.append(between)
        end = match.end()
        if match["without"] or match["minus"]:
            without.append(spoken(match["without"] or match["phrase"]).strip())
        elif match["phrase"] is not None:
            phrases.append(spoken(match["phrase"]).strip())
            words.append(match["phrase"])
            meaning.append(match["phrase"])
        else:
            beginnings.append(spoken(match["start"]).strip().lower())
            meaning.append(match["start"])
    words.append(plain[end:])
    meaning.append(plain[end:])
    found = Wording(
        spoken(" ".join(words)),
        " ".join(" ".join(meaning).split()),
        _different(phrases),
        _different(beginnings),
        _different(without),
    )
    for name, marked in (("phrases", phrases), ("beginnings of words", beginnings), ("exclusions", without)):
        if len(set(marked)) > MOST:
            raise QueryTooElaborate(
                f"The text has {len(set(marked))} {name}; one search takes {MOST}. Ask in several searches.",
                field="text",
            )
    return found


def _different(texts: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(text for text in texts if text))


def slips(one: str, other: str) -> int:
    """How many slips lie between two spellings: a letter too many, too few, another, or two that changed places.

    A wrong first letter counts for two: people rarely mistake it, and words that differ there differ.
    """
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, a in enumerate(one, 1):
        above, row, two_above = row, [i, *[0] * len(other)], before
        before = above
        for j, b in enumerate(other, 1):
            row[j] = min(above[j] + 1, row[j - 1] + 1, above[j - 1] + (a != b))
            if i > 1 and j > 1 and a == other[j - 2] and one[i - 2] == b:
                row[j] = min(row[j], two_above[j - 2] + 1)
    return row[-1] + (one[:1] != other[:1])


def corrections(guesses: Mapping[str, Sequence[Sequence[object]]] | None) -> list[Correction]:
    """The words that were meant, where somebody slipped: the nearest spelling, of those the one most items hold.

    One slip in a word of four to eight letters, two in a longer one; where trigrams say that two words are alike,
    one in every four letters.
    """
    found: list[Correction] = []
    for asked, near in sorted((guesses or {}).items()):
        best: tuple[int, int, str] | None = None
        for word, likeness, items in near:
            assert isinstance(word, str)
            assert isinstance(likeness, int | float)
            assert isinstance(items, int)
            allowed = 1 if len(asked) <= _LONG else 2
            if likeness >= _ALIKE:
                allowed = max(allowed, len(asked) // 4)
            apart = slips(asked, word)
            if 0 < apart <= allowed and (best is None or (apart, -items, word) < best):
                best = (apart, -items, word)
        if best is not None:
            found.append(Correction(asked=asked, used=best[2]))
    return found


def corrected(words: str, made: Sequence[Correction]) -> str:
    """The words of a query with corrections in their places."""
    for each in made:
        words, count = re.subn(rf"(?<!\w){re.escape(each.asked)}(?!\w)", each.used, words, flags=re.IGNORECASE)
        if not count:
            words = f"{words} {each.used}"
    return words
