"""Limits of calls of a tenant, in one process: exact; and what is told to the others."""

from types import SimpleNamespace
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moothill.kernel import rates
from moothill.kernel.context import Actor, Principal
from moothill.kernel.rates import Rates, Spent, TenantRateLimited

TENANT, OTHER = UUID(int=1), UUID(int=2)


class Clock:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        monkeypatch.setattr(rates, "time", SimpleNamespace(monotonic=lambda: self.now))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def caller(*limits: tuple[str, int], tenant: UUID = TENANT, home: UUID | None = None) -> Principal:
    actor = Actor("operator", UUID(int=9), "ada")
    return Principal(
        tenant=tenant, tenant_slug="t", actor=actor, scopes=frozenset("*"), key=UUID(int=8), rates=limits, home=home
    )


def admitted(limits: Rates, who: Principal, group: str = "agents", most: int = 1000) -> int:
    for count in range(most):
        try:
            limits.admit(who, group)
        except TenantRateLimited:
            return count
    return most


@given(st.integers(1, 200))
def test_a_minute_admits_exactly_its_calls_and_refills_evenly(amount: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        clock = Clock(patch)
        limits, who = Rates(), caller(("calls", amount))
        assert admitted(limits, who) == amount
        clock.now += 60 / amount + 1e-6
        assert admitted(limits, who) == 1
        clock.now += 3600
        assert admitted(limits, who) == amount


def test_each_tenant_and_each_group_has_its_own(clock: Clock) -> None:
    limits = Rates()
    who = caller(("calls", 5), ("calls:agents", 2))
    assert admitted(limits, who, "agents") == 2
    assert admitted(limits, who, "search") == 3
    assert admitted(limits, who, "search") == 0
    assert admitted(limits, caller(("calls", 5), tenant=OTHER)) == 5


def test_a_visitor_uses_up_the_limit_of_its_home(clock: Clock) -> None:
    limits = Rates()
    assert admitted(limits, caller(("calls", 3))) == 3
    assert admitted(limits, caller(("calls", 3), tenant=OTHER, home=TENANT)) == 0


def test_what_could_not_be_told_is_kept_for_the_next_time_as_long_as_its_limit_is_known(clock: Clock) -> None:
    limits, who = Rates(), caller(("calls", 5))
    assert admitted(limits, who, most=3) == 3
    untold = limits.collect()
    assert [each.spent for each in limits.collect()] == [0]
    limits.restore([*untold, Spent(OTHER, "calls", 5, 2)])
    assert [(each.tenant, each.spent) for each in limits.collect()] == [(TENANT, 3)]


def test_a_refusal_says_which_limit_and_when_there_is_more(clock: Clock) -> None:
    limits, who = Rates(), caller(("calls:agents", 6))
    admitted(limits, who)
    with pytest.raises(TenantRateLimited, match=r"6 calls of agents a minute; try again in 10\.0 s") as refused:
        limits.admit(who, "agents")
    assert refused.value.context == {
        "field": "calls:agents",
        "limit": 6,
        "window": 60,
        "remaining": 0,
        "retry_after": 10.0,
    }


def test_a_refused_call_uses_up_nothing(clock: Clock) -> None:
    limits, who = Rates(), caller(("calls", 10), ("calls:agents", 1))
    assert admitted(limits, who, "agents") == 1
    assert admitted(limits, who, "search") == 9


def test_what_others_spent_comes_off_and_nothing_is_ever_added(clock: Clock) -> None:
    limits, who = Rates(), caller(("calls", 10))
    limits.admit(who, "agents")
    assert limits.collect() == [Spent(TENANT, "calls", 10, 1)]
    limits.admit(who, "agents")
    limits.adopt(TENANT, "calls", 4.0)  # of the nine that were left, others spent five; one is not told yet
    assert admitted(limits, who) == 3
    limits.adopt(TENANT, "calls", 1000.0)
    assert admitted(limits, who) == 0


def test_what_could_not_be_told_is_told_later(clock: Clock) -> None:
    limits, who = Rates(), caller(("calls", 10))
    limits.admit(who, "agents")
    untold = limits.collect()
    limits.admit(who, "agents")
    limits.restore(untold)
    assert limits.collect() == [Spent(TENANT, "calls", 10, 2)]


def test_a_full_bucket_is_forgotten(clock: Clock) -> None:
    limits, who = Rates(), caller(("calls", 60))
    limits.admit(who, "agents")
    limits.collect()
    clock.now += 2
    assert limits.collect() == []
    limits.adopt(TENANT, "calls", 1.0)  # too late: nobody calls
    assert admitted(limits, who) == 60


def test_a_changed_limit_keeps_the_share_that_was_left(clock: Clock) -> None:
    limits = Rates()
    for _ in range(5):
        limits.admit(caller(("calls", 10)), "agents")
    assert admitted(limits, caller(("calls", 100))) == 50


def test_many_tenants_do_not_fill_the_memory(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rates, "MOST_BUCKETS", 3)
    limits = Rates()
    for number in range(10):
        limits.admit(caller(("calls", 10), tenant=UUID(int=number)), "agents")
    assert len(limits.collect()) <= 3
