"""Screens: what each is called, where it lives, and what it needs. Menu, palette and keys read this."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias, TypeVar

from .visit import Visit

__all__ = ["SECTIONS", "Build", "Query", "Screen", "find_shortcut", "offered"]

S = TypeVar("S", bound=str)

SECTIONS = ("Society", "Work", "Governance", "Oversight", "Platform")


@dataclass(frozen=True, slots=True)
class Query:
    """What the address of a screen says: names in its path, values behind the question mark."""

    path: Mapping[str, str]
    values: Mapping[str, Sequence[str]]

    def __getitem__(self, name: str) -> str:
        return self.path[name]

    def get(self, name: str) -> str | None:
        """A value, or None where it is not given or empty."""
        found = self.values.get(name) or [""]
        return found[-1] or None

    def all(self, name: str) -> list[str]:
        """All values of a name."""
        return [value for value in self.values.get(name, ()) if value]

    def one_of(self, name: str, *allowed: S) -> S:
        """A value out of a few; the first where another or none is given."""
        value = self.get(name)
        return next((word for word in allowed if word == value), allowed[0])


Build: TypeAlias = Callable[[Visit, Query], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Screen:
    """One screen.

    Attributes:
        path: below the tenant; `{name}` stands for one part.
        title: in the menu, the palette and the browser's tab.
        build: makes the screen's elements; runs once for each visit.
        section: of the menu; without one it is reached from other screens only.
        key: letter behind `g`.
        needs: operations without which it makes no sense; the first decides whether a key may see it.
    """

    path: str
    title: str
    build: Build
    icon: str = ""
    section: str = ""
    key: str = ""
    needs: tuple[str, ...] = ()
    words: str = field(default="", kw_only=True)

    def is_offered(self, visit: Visit) -> bool:
        """Whether this key, with these eyes, has something to see here."""
        return all(visit.may(name) for name in self.needs)


def offered(screens: Sequence[Screen], visit: Visit) -> list[Screen]:
    """The screens of the menu, in its order."""
    return [
        screen for section in SECTIONS for screen in screens if screen.section == section and screen.is_offered(visit)
    ]


def find_shortcut(screens: Sequence[Screen], letter: str) -> Screen | None:
    """The screen behind `g` and a letter."""
    return next((screen for screen in screens if screen.key == letter), None)
