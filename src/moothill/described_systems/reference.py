"""The reference page about the described systems, from their rows."""

import re
from collections import Counter

from .rows import CAPABILITIES, KINDS, DescribedSystem, Row

__all__ = ["render_reference"]

_STATES = ("here", "partly here", "planned", "decided", "refused")
_INTRODUCTION = """\
# What became of the described systems

Moothill unites what three described systems set out to be. This page lists each thing that their
descriptions name, what carries it here, and how far that is. It is generated from the data in
`src/moothill/described_systems`, and a test proves that each target exists; change it there.

A thing *here* is carried by what the row names, often in another form, for which the decision note
gives the reason. *Partly here* means that the capability named brings the rest. *Decided* things
are settled by a decision note alone, and *refused* ones left out for the reason given. Names marked
† stand only in the public code of a system, not in its description.
"""


def render_reference(systems: tuple[DescribedSystem, ...]) -> str:
    """The page `docs/reference/described-systems.md` as Markdown; equal rows give equal bytes."""
    parts = [_INTRODUCTION, _summary(systems), _capabilities(systems)]
    for system in systems:
        parts.append(f"## System {_escape(system.letter)}: {_escape(system.title)}\n")
        for kind, heading in KINDS.items():
            if rows := [row for row in system.rows if row.kind == kind]:
                parts.append(_table(heading, rows))
    return "\n".join(parts)


def _summary(systems: tuple[DescribedSystem, ...]) -> str:
    lines = ["| system | things | " + " | ".join(_STATES) + " |", "|---|" + "---:|" * (len(_STATES) + 1)]
    for system in systems:
        count = Counter(row.state for row in system.rows)
        numbers = " | ".join(str(count[state]) for state in _STATES)
        name = f"{_escape(system.letter)}: {_escape(system.title)}"
        lines.append(f"| {name} | {len(system.rows)} | {numbers} |")
    return "\n".join(lines) + "\n"


def _capabilities(systems: tuple[DescribedSystem, ...]) -> str:
    count = Counter(row.planned for system in systems for row in system.rows if row.planned)
    if not count:
        return ""
    lines = ["| planned capability | what it brings | things waiting |", "|---|---|---:|"]
    lines += [f"| {name} | {CAPABILITIES[name]} | {count[name]} |" for name in CAPABILITIES if count[name]]
    return "\n".join(lines) + "\n"


def _table(heading: str, rows: list[Row]) -> str:
    lines = [f"### {heading}\n", "| there | what it was | here | state |", "|---|---|---|---|"]
    for row in rows:
        name = _escape(row.name) + (" †" if row.origin == "code" else "")
        if row.columns:
            name += "<br>" + ", ".join(f"`{column}`" for column in row.columns)
        here = ", ".join(_target(target) for target in row.carried_by) or "-"
        lines.append(f"| {name} | {_escape(row.facts)} | {here} | {_state(row)} |")
    return "\n".join(lines) + "\n"


def _target(target: str) -> str:
    kind, _, name = target.partition(":")
    if kind == "decision":
        return f"[decision {name[:4]}](../decisions/{name}.md)"
    return f"`{name}`" if kind in ("operation", "command") else f"{kind} `{name}`"


def _state(row: Row) -> str:
    match row.state:
        case "refused":
            return f"refused: {_escape(row.refused)}"
        case "planned":
            return f"planned: {row.planned}"
        case "partly here":
            return f"partly here; planned: {row.planned}"
        case state:
            return state


def _escape(text: str) -> str:
    """Text that Markdown shows as it is, also in a table cell."""
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"[\\`*|\[\]]|(?<!\w)_|_(?!\w)", r"\\\g<0>", " ".join(text.split()))
