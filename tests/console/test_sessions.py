"""Who is signed in: tokens, limits, times. No framework, no database."""

from uuid import uuid4

import pytest

from moothill.console import attempts as attempts_module
from moothill.console.attempts import Attempts, TooManyAttempts
from moothill.console.sessions import (
    CHANGE_SECONDS,
    IDLE_SECONDS,
    LIFETIME_SECONDS,
    MOST_KEYS,
    SessionStore,
    SignedIn,
    SignedOut,
    TooManyKeys,
)
from moothill.kernel.context import CallOptions
from moothill.moot import Moot
from moothill.tenancy.keys.models import Identity


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class NoExecutor:
    async def run(self, operation: object, arguments: object, options: CallOptions) -> None:
        raise AssertionError("nothing is called here")

    def iterate(self, operation: object, arguments: object, options: CallOptions) -> None:
        raise AssertionError("nothing is called here")


def signed_in(slug: str = "acme", *scopes: str) -> SignedIn:
    identity = Identity(
        tenant=uuid4(),
        tenant_slug=slug,
        actor_kind="operator",
        actor_id=uuid4(),
        actor_name="Ada",
        scopes=list(scopes) or ["*"],
    )
    return SignedIn(Moot(NoExecutor()), identity, "moot_abcdef")  # type: ignore[arg-type]


def test_a_token_finds_its_session_and_no_other_does() -> None:
    store = SessionStore()
    token = store.sign_in(None, signed_in())
    assert store.find(token) is not None
    assert store.find(token + "x") is None
    assert store.find(None) is None
    assert store.find("") is None


def test_signing_in_again_changes_the_token_and_keeps_the_keys() -> None:
    """A token from before signing in may be known to somebody else."""
    store = SessionStore()
    first = store.sign_in(None, signed_in("acme"))
    second = store.sign_in(first, signed_in("globex"))
    assert first != second
    assert store.find(first) is None
    session = store.find(second)
    assert session is not None
    assert [key.identity.tenant_slug for key in session.keys] == ["acme", "globex"]
    assert session.home == "globex"


def test_a_session_ends_after_rest_and_after_a_day() -> None:
    clock = Clock()
    store = SessionStore(clock)
    resting = store.sign_in(None, signed_in())
    clock.now += IDLE_SECONDS - 1
    assert store.find(resting) is not None
    clock.now += IDLE_SECONDS
    assert store.find(resting) is None
    busy = store.sign_in(None, signed_in())
    for _ in range(int(LIFETIME_SECONDS / 3600)):
        clock.now += 3600
        store.find(busy)
    assert store.find(busy) is None


def test_an_open_page_ends_with_its_session_whatever_it_does_by_itself() -> None:
    clock = Clock()
    store = SessionStore(clock)
    session = store.find(store.sign_in(None, signed_in()))
    assert session is not None
    clock.now += IDLE_SECONDS - 1
    session.check()
    session.touch()
    clock.now += IDLE_SECONDS - 1
    session.check()
    clock.now += 1
    with pytest.raises(SignedOut):
        session.check()
    assert session.keys == []


def test_signing_out_tells_the_open_pages_and_forgets_the_keys() -> None:
    store = SessionStore()
    token = store.sign_in(None, signed_in())
    session = store.find(token)
    assert session is not None
    told: list[bool] = []
    session.on_close.append(lambda: told.append(session.is_open))
    store.sign_out(token)
    assert told == [False]
    assert session.keys == []
    assert store.find(token) is None


def test_a_session_begins_read_only_and_returns_to_it() -> None:
    clock = Clock()
    store = SessionStore(clock)
    session = store.find(store.sign_in(None, signed_in()))
    assert session is not None
    found = [session.may_change]
    session.allow_changes()
    found.append(session.may_change)
    clock.now += CHANGE_SECONDS
    assert [*found, session.may_change] == [False, True, False]


def test_the_own_key_of_a_tenant_is_used_before_a_platform_key() -> None:
    store = SessionStore()
    platform, acme = signed_in("default", "*", "platform:*"), signed_in("acme")
    token = store.sign_in(store.sign_in(None, acme), platform)
    session = store.find(token)
    assert session is not None
    assert session.key_for("acme") is acme
    assert session.key_for("globex") is platform
    session.drop(platform)
    assert session.key_for("globex") is None


def test_the_star_of_a_tenant_is_not_the_platform() -> None:
    assert not signed_in("acme", "*").is_platform
    assert signed_in("default", "platform:*").is_platform


def test_a_session_holds_a_bounded_number_of_keys() -> None:
    store = SessionStore()
    token = store.sign_in(None, signed_in())
    for _ in range(MOST_KEYS - 1):
        token = store.sign_in(token, signed_in())
    with pytest.raises(TooManyKeys):
        store.sign_in(token, signed_in())
    assert store.find(token) is not None


def test_failures_close_the_login_of_an_address_for_a_minute() -> None:
    clock = Clock()
    attempts = Attempts(clock)
    for _ in range(attempts_module.MOST_FAILURES):
        attempts.admit("192.0.2.1")
        attempts.failed("192.0.2.1")
    with pytest.raises(TooManyAttempts) as refused:
        attempts.admit("192.0.2.1")
    assert refused.value.context["retry_after"] == 60
    attempts.admit("192.0.2.2")
    clock.now += 60
    attempts.admit("192.0.2.1")


def test_failures_of_many_addresses_close_the_login_for_all() -> None:
    attempts = Attempts(Clock())
    for number in range(attempts_module.MOST_FAILURES_OF_ALL):
        attempts.failed(f"192.0.2.{number}")
    with pytest.raises(TooManyAttempts):
        attempts.admit("198.51.100.1")
