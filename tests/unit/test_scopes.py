"""What scopes cover, and what is left of them under a ceiling."""

from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from moothill.kernel.context import Actor, Principal
from moothill.kernel.scopes import covers, within
from moothill.tenancy.accounts.rules import ALWAYS, scopes_in_force

SCOPES = st.sampled_from(
    ["*", "agents:*", "agents:read", "agents:write", "keys:*", "keys:read", "platform:*", "platform:tenants"]
)
SETS = st.frozensets(SCOPES, max_size=5)
CONCRETE = st.sampled_from(["agents:read", "agents:write", "keys:read", "search:read", "platform:tenants"])


def may(scopes: frozenset[str], scope: str) -> bool:
    actor = Actor("operator", UUID(int=1), "ada")
    return Principal(tenant=UUID(int=2), tenant_slug="t", actor=actor, scopes=scopes).may(scope)


@given(SETS, SETS, CONCRETE)
def test_under_a_ceiling_is_what_both_sides_allow(held: frozenset[str], ceiling: frozenset[str], scope: str) -> None:
    """A key of a service account never does what the account may not, and loses nothing else."""
    assert may(within(held, ceiling), scope) == (may(held, scope) and may(ceiling, scope))


@given(SETS, CONCRETE)
def test_a_principal_may_what_its_scopes_cover(held: frozenset[str], scope: str) -> None:
    assert may(held, scope) == covers(held, scope)


@given(SETS)
def test_a_ceiling_changes_nothing_of_itself(held: frozenset[str]) -> None:
    assert within(held, held) == held


def test_who_holds_a_key_may_ask_who_that_makes_it() -> None:
    assert scopes_in_force(["agents:read"], ["keys:read"]) == {ALWAYS}
    assert scopes_in_force(["agents:read"], None) == {"agents:read", ALWAYS}
