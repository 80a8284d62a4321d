"""Whether the targets that carry a described system's things really exist."""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from moothill.kernel.errors import near_match

from .rows import DescribedSystem, load

__all__ = ["Unresolved", "unresolved"]


@dataclass(frozen=True, slots=True)
class Unresolved:
    """A row whose target does not exist: `target` with its kind, `hint` a near match or empty."""

    system: str
    kind: str
    name: str
    target: str
    hint: str

    def __str__(self) -> str:
        """One line for the message of a failing test."""
        thing = f'{self.system}: {self.kind} "{self.name}"'
        return f"{thing} is carried by {self.target}, which does not exist.{self.hint}"


def unresolved(
    operations: AbstractSet[str],
    views: AbstractSet[str],
    tables: AbstractSet[str],
    settings: AbstractSet[str],
    commands: AbstractSet[str],
    routes: AbstractSet[str],
    decisions: AbstractSet[str],
    *,
    systems: tuple[DescribedSystem, ...] | None = None,
) -> list[Unresolved]:
    """The targets that are not in the sets given, in the order of the files.

    Args:
        operations: names `group.verb`.
        views: names of SQL views.
        tables: names of SQL tables.
        settings: names of environment variables that are accepted.
        commands: command lines without options, such as `moothill db migrate`.
        routes: paths that the server answers beside the operations, such as `/health/live`.
        decisions: file names of decision notes without their ending, such as `0001-names`.
        systems: described systems to check; all of them by default.
    """
    known = {
        "operation": operations,
        "view": views,
        "table": tables,
        "setting": settings,
        "command": commands,
        "route": routes,
        "decision": decisions,
    }
    found: list[Unresolved] = []
    for system in load() if systems is None else systems:
        for row in system.rows:
            for target in row.carried_by:
                kind, _, name = target.partition(":")
                if name not in known[kind]:
                    hint = near_match(name, sorted(known[kind]))
                    found.append(Unresolved(system.letter, row.kind, row.name, target, hint))
    return found
