"""Who may call what, how often, and what is counted of a call."""

import logging
from itertools import pairwise
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moothill.kernel import instruments
from moothill.kernel.authority import MissingScope, NotForAgents, authorise
from moothill.kernel.context import EVERYTHING, SYSTEM, Actor, CallOptions, Context, Principal, context, current_context
from moothill.kernel.errors import Internal, Invalid
from moothill.kernel.instruments import BUCKETS, Instruments, RateLimited
from moothill.kernel.local import entered
from moothill.kernel.operation import Operation

WORDS = st.sampled_from(["agents", "keys", "platform"])
VERBS = st.sampled_from(["read", "write"])
OPERATOR = Actor("operator", UUID(int=1), "ada")
AGENT = Actor("agent", UUID(int=2), "bot")


def principal(*scopes: str, actor: Actor = OPERATOR, key: UUID | None = None) -> Principal:
    return Principal(tenant=UUID(int=9), tenant_slug="t", actor=actor, scopes=frozenset(scopes), key=key)


def called(who: Principal | None = None) -> Context:
    return Context(principal=who or principal("*"), operation="things.get")


def declared(**more: Any) -> Operation[Any, Any]:
    async def get(self: Any) -> None:
        """Get it."""

    given = {"effect": "read", "scope": "things:read", "audience": "anyone", "mode": "one", **more}
    made = Operation[Any, Any](get, kind="call", example=None, **given)
    made.group = "things"
    return made


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        monkeypatch.setattr(instruments, "time", SimpleNamespace(monotonic=lambda: self.now))


# --- scopes


@given(group=WORDS, verb=VERBS)
def test_a_scope_covers_itself_and_a_star_what_stands_before_it(group: str, verb: str) -> None:
    scope = f"{group}:{verb}"
    assert principal(scope).may(scope)
    assert principal(f"{group}:*").may(scope)
    assert principal("*").may(scope) == (group != "platform"), "a tenant's star ends at the tenant"
    assert Principal(tenant=UUID(int=1), tenant_slug="", actor=SYSTEM, scopes=EVERYTHING).may(scope)


@given(held=st.sets(st.tuples(WORDS, VERBS)), group=WORDS, verb=VERBS)
def test_nothing_else_covers_a_scope(held: set[tuple[str, str]], group: str, verb: str) -> None:
    assert principal(*(f"{a}:{b}" for a, b in held)).may(f"{group}:{verb}") == ((group, verb) in held)


def test_a_missing_scope_is_named() -> None:
    with pytest.raises(MissingScope, match="things:read") as told:
        authorise(declared(), principal("things:write"))
    assert (told.value.operation, told.value.scope) == ("things.get", "things:read")
    authorise(declared(), principal("things:read"))


def test_what_is_for_operators_is_not_for_agents() -> None:
    for audience, refused in (("operator", True), ("agent", False), ("anyone", False)):
        operation = declared(audience=audience)
        authorise(operation, principal("*"))
        if refused:
            with pytest.raises(NotForAgents):
                authorise(operation, principal("*", actor=AGENT))
        else:
            authorise(operation, principal("*", actor=AGENT))


# --- how often


def test_a_key_may_call_so_often_and_is_told_when_to_come_again(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, limited, key = Clock(monkeypatch), Instruments(rate_limit=60), uuid4()
    call = called(principal("*", key=key))
    for _ in range(60):
        limited.admit(call, declared())
    with pytest.raises(RateLimited, match="60 calls a minute") as told:
        limited.admit(call, declared())
    assert told.value.retry_after == 1.0
    limited.admit(called(principal("*", key=uuid4())), declared())  # another key has its own
    clock.now += told.value.retry_after
    limited.admit(call, declared())
    with pytest.raises(RateLimited):
        limited.admit(call, declared())
    clock.now += 3600
    for _ in range(60):
        limited.admit(call, declared())
    with pytest.raises(RateLimited):
        limited.admit(call, declared())


def test_without_a_key_or_a_limit_nothing_is_counted() -> None:
    for limited, who in ((Instruments(rate_limit=1), principal("*")), (Instruments(), principal("*", key=uuid4()))):
        for _ in range(100):
            limited.admit(called(who), declared())


@given(limit=st.integers(1, 200), waits=st.lists(st.floats(0, 90), max_size=60))
def test_in_no_stretch_of_time_more_pass_than_the_limit_allows(limit: int, waits: list[float]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        clock, limited = Clock(patch), Instruments(rate_limit=limit)
        call = called(principal("*", key=UUID(int=5)))
        passed: list[float] = []
        for wait in waits:
            clock.now += wait
            for _ in range(5):
                try:
                    limited.admit(call, declared())
                except RateLimited as error:
                    assert 0 < error.retry_after <= 60 / limit + 0.001
                else:
                    passed.append(clock.now)
        for start in range(len(passed)):
            stretch = passed[-1] - passed[start]
            assert len(passed) - start <= limit + stretch * limit / 60 + 1e-6


def test_many_keys_do_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(instruments, "MOST_BUCKETS", 10)
    limited = Instruments(rate_limit=1)
    for _ in range(100):
        limited.admit(called(principal("*", key=uuid4())), declared())
        assert len(limited._buckets) <= 10


# --- what is counted


@given(st.lists(st.floats(0, 100), max_size=30))
def test_every_call_falls_into_one_bucket(durations: list[float]) -> None:
    seen, operation = Instruments(), declared()
    for seconds in durations:
        seen.called(operation, called(), "ok", seconds)
    assert seen.calls["things.get", "ok"] == len(durations)
    assert seen.seconds["things.get"] == pytest.approx(sum(durations))
    histogram = seen.durations.get("things.get", [0] * (len(BUCKETS) + 1))
    for count, (low, high) in zip(histogram, pairwise([-1.0, *BUCKETS, float("inf")]), strict=True):
        assert count == len([seconds for seconds in durations if low < seconds <= high])


def test_slow_and_failed_calls_are_logged_without_what_they_carried(caplog: pytest.LogCaptureFixture) -> None:
    seen = Instruments()
    with caplog.at_level(logging.WARNING, "moothill"):
        seen.called(declared(), called(), "ok", 0.5)
        seen.called(declared(), called(), "ok", 1.5)
        seen.called(declared(), called(), "internal", 0.001)
    assert [each.__dict__["outcome"] for each in caplog.records] == ["ok", "internal"]
    told = caplog.records[0].__dict__
    assert (told["operation"], told["milliseconds"], told["actor"]) == ("things.get", 1500.0, str(OPERATOR.id))


def test_retries_are_counted() -> None:
    seen = Instruments()
    seen.retried(declared())
    assert seen.retries == {"things.get": 1}


# --- the context


def test_the_context_is_that_of_the_call_that_runs() -> None:
    assert current_context() is None
    with pytest.raises(Internal, match="No operation is running"):
        context()
    call = called()
    with entered(call):
        assert context() is current_context() is call
        assert (call.tenant, call.actor) == (UUID(int=9), OPERATOR)
        with entered(other := called()):
            assert context() is other
        assert context() is call
    assert current_context() is None


def test_progress_goes_to_whoever_listens() -> None:
    heard: list[Any] = []
    call = Context(
        principal=principal("*"),
        operation="things.load",
        options=CallOptions(progress=lambda *told: heard.append(told)),
    )
    call.progress(1, None, "half")
    assert heard == [(1, None, "half")]
    called().progress(1, 2, "nobody listens")


@pytest.mark.parametrize(
    "options",
    [{"idempotency_key": "x" * 201}, {"idempotency_key": ""}, {"reason": "a\x00"}, {"reason": "\ud800"}],
)
def test_a_bad_call_option_is_refused_where_it_is_said(options: dict[str, Any]) -> None:
    with pytest.raises(Invalid) as told:
        CallOptions(**options)
    assert told.value.field in options
