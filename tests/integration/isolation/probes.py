"""Every attack on the schema by its name; the functions have a module of their own."""

from collections.abc import Awaitable, Callable, Mapping

from tests.integration.isolation import definers, keys, paths, proofs, rows
from tests.integration.isolation.intruder import Ground

__all__ = ["PROBES", "Probe"]

Probe = Callable[[Ground], Awaitable[list[str]]]

PROBES: Mapping[str, Probe] = {
    probe.__name__: probe
    for probe in (
        rows.selects,
        rows.inserts,
        rows.updates,
        rows.deletes,
        rows.truncates,
        rows.partitions_past_their_parents,
        rows.rewritten_logs,
        paths.views,
        paths.owners,
        paths.roles,
        paths.cached_plans,
        paths.new_objects,
        paths.newborn_tables,
        paths.tenantless_tables,
        keys.taken_keys,
        keys.references,
        definers.definers,
        proofs.proofs,
    )
}
