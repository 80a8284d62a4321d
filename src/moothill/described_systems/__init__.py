"""What three described systems name, and what carries each thing here.

`load()` reads and checks the data files, `render_reference()` writes the reference page from them,
and `unresolved()` finds targets that do not exist.
"""

from .reference import render_reference
from .rows import CAPABILITIES, KINDS, TARGETS, DescribedSystem, InvalidDescription, Row, load, parse
from .targets import Unresolved, unresolved

__all__ = [
    "CAPABILITIES",
    "KINDS",
    "TARGETS",
    "DescribedSystem",
    "InvalidDescription",
    "Row",
    "Unresolved",
    "load",
    "parse",
    "render_reference",
    "unresolved",
]
