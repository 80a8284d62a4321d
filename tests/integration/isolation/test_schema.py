"""Isolation of the schema: every attack on every table, partition, view and function finds nothing."""

import pytest

from tests.integration.isolation.intruder import Ground
from tests.integration.isolation.probes import PROBES


@pytest.mark.parametrize("probe", PROBES)
async def test_nothing_is_found_by(ground: Ground, probe: str) -> None:
    """A16, A17, A19-A24, A39, B30, C24, C25: verbs, views, owners, roles, plans, functions, keys, references."""
    found = await PROBES[probe](ground)
    assert not found, "\n".join(found)
