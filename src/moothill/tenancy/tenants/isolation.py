"""The self-check of the isolation, guard by guard, in words for whoever asks."""

from collections.abc import Sequence

from ...database.guards import Guard, SelfCheck
from .models import GuardState, IsolationCheck

__all__ = ["told"]

MOST_FAULTS = 100


def told(found: SelfCheck, guards: Sequence[Guard], *, strict: bool, took_ms: float) -> IsolationCheck:
    """What the self-check found, guard by guard."""
    refusal = found.refusal(strict=strict)
    major, minor = found.version
    faults: dict[str, list[str]] = {guard.name: [] for guard in guards}
    for finding in found.findings:
        faults[finding.guard].append(finding.fault)
    states = [
        GuardState(
            name=guard.name,
            places=guard.places,
            asks=guard.asks,
            against=guard.against,
            stands=not faults[guard.name],
            faults=faults[guard.name][:MOST_FAULTS],
            fault_count=len(faults[guard.name]),
        )
        for guard in guards
    ]
    return IsolationCheck(
        serves=refusal is None,
        refusal=refusal.message if refusal else None,
        guards=[] if found.pending else states,
        pending_migrations=found.pending,
        server_version=f"{major}.{minor}",
        safe_from=None if found.safe_minor is None else f"{major}.{found.safe_minor}",
        server_is_safe=found.is_safe_version,
        role=found.role,
        took_ms=round(took_ms, 1),
    )
