"""What of the worker needs no database: orders, paces, nudges, states of jobs."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moothill.kernel.context import SYSTEM, Context, Principal
from moothill.kernel.errors import Conflict
from moothill.kernel.events import PendingEvent
from moothill.kernel.nudges import Nudges
from moothill.worker.acting import describe
from moothill.worker.events import rules as feed
from moothill.worker.jobs import rules as jobs
from moothill.worker.nudge import compose, read
from moothill.worker.pace import Pace
from moothill.worker.upkeep import rules as upkeep
from moothill.worker.upkeep.models import LongTransaction

PLACES = st.builds(
    feed.Place, st.integers(1, 3), st.integers(1, 1 << 40), st.integers(0, (1 << 128) - 1).map(lambda n: UUID(int=n))
)


@given(PLACES)
def test_every_place_lies_between_the_beginning_and_the_end(place: feed.Place) -> None:
    assert feed.BEGINNING < place < feed.END


@given(st.none() | st.uuids(), st.none() | st.lists(st.uuids(), max_size=3))
def test_an_event_of_several_subjects_is_ordered_with_its_whole_tenant(
    subject: UUID | None, subjects: Sequence[UUID] | None
) -> None:
    key, is_wide = feed.lane(subject, subjects)
    assert is_wide == bool(subjects)
    assert key == (subject or UUID(int=0))


@given(st.floats(0, 100), st.floats(0.1, 60))
def test_looks_become_rarer_and_never_rarer_than_the_longest(last: float, longest: float) -> None:
    following = feed.next_look(last, soon=False, longest=longest)
    assert min(last, longest) <= following <= longest
    assert following > 0
    assert feed.next_look(last, soon=True, longest=longest) <= feed.FIRST_LOOK


@given(st.integers(0, 10_000))
def test_the_wait_for_another_try_doubles_up_to_its_end(attempts: int) -> None:
    pace = Pace()
    now, later = pace.retry_after(attempts), pace.retry_after(attempts + 1)
    assert pace.first_retry <= now <= later <= pace.longest_retry
    assert later <= now * 2


def test_the_first_waits_are_one_two_and_four_seconds() -> None:
    pace = Pace()
    assert [pace.retry_after(attempts) for attempts in (1, 2, 3)] == [timedelta(seconds=n) for n in (1, 2, 4)]


def test_a_job_at_its_end_stays_there() -> None:
    """B38: the states are declared, and what is not declared does not happen."""
    assert frozenset({"completed", "failed", "cancelled"}) == jobs.ENDS
    for old in jobs.ENDS:
        assert not any(jobs.may_move(old, new) for new in jobs.TRANSITIONS)
    assert jobs.may_move("waiting", "running")
    assert not jobs.may_move("waiting", "completed")


@given(st.sets(st.uuids(), min_size=1, max_size=300), st.booleans())
def test_a_nudge_says_where_or_that_it_was_in_many_places(tenants: set[UUID], keys_changed: bool) -> None:
    text = compose("abc", tenants, keys_changed)
    sender, told, keys = read(text)
    assert len(text.encode()) < 8000
    assert (sender, keys) == ("abc", keys_changed)
    assert told is None or set(told) == tenants


@pytest.mark.parametrize("text", ["", "hello", "a b c d", "abc keys not-an-id"])
def test_what_is_no_nudge_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"unpack|UUID"):
        read(text)


async def test_a_bell_that_rang_before_the_wait_counts_once() -> None:
    nudges = Nudges()
    tenant = uuid4()
    with nudges.bell(tenant) as bell:
        nudges.wrote(tenant)
        assert await bell.wait(5)
        assert not await bell.wait(0)


async def test_the_first_write_rings_at_once_and_the_next_ones_together() -> None:
    nudges = Nudges(coalesce=0.05)
    carried: list[frozenset[UUID]] = []
    nudges.carriers.append(lambda tenants, keys: carried.append(tenants))
    tenants = [uuid4() for _ in range(20)]
    with nudges.bell() as bell:
        nudges.wrote(tenants[0])
        assert await bell.wait(5)
        sent = asyncio.get_running_loop().time()
        for tenant in tenants[1:]:
            nudges.wrote(tenant)
        assert await bell.wait(5)
        assert asyncio.get_running_loop().time() - sent >= 0.04
    assert carried == [{tenants[0]}, set(tenants[1:])]


async def test_a_bell_hears_its_own_tenant_only_and_one_without_a_tenant_all() -> None:
    nudges = Nudges()
    one, two = uuid4(), uuid4()
    with nudges.bell(one) as ours, nudges.bell(two) as theirs, nudges.bell() as all_of_them:
        nudges.heard([two], keys_changed=False)
        assert await theirs.wait(0.1)
        assert await all_of_them.wait(0.1)
        assert not await ours.wait(0)
        nudges.heard(None, keys_changed=False)
        assert await ours.wait(0.1)
    assert nudges._bells == {}


async def test_whoever_caches_keys_is_told_at_once() -> None:
    nudges = Nudges()
    forgotten: list[int] = []
    carried: list[bool] = []
    nudges.key_listeners.append(lambda: forgotten.append(1))
    nudges.carriers.append(lambda tenants, keys: carried.append(keys))
    call = Context(
        principal=Principal(tenant=uuid4(), tenant_slug="t", actor=SYSTEM, scopes=frozenset()), operation="test"
    )
    call.pending.append(
        PendingEvent(
            kind="tenants.status_changed",
            version=1,
            subject=None,
            subjects=(),
            operation="tenants.suspend",
            reason=None,
            payload={},
        )
    )
    nudges.wrote(call.tenant)
    nudges.committed(call)
    assert forgotten == [1]
    nudges.flush()
    nudges.wrote(call.tenant)
    nudges.flush()
    assert carried == [True, False]


async def test_listening_begins_when_somebody_waits_for_others() -> None:
    nudges = Nudges()
    begun: list[int] = []
    nudges.on_wait.append(lambda: begun.append(1))
    with nudges.bell(from_afar=False):
        assert begun == []
    with nudges.bell():
        assert begun == [1]


def test_an_error_is_described_in_one_line() -> None:
    assert describe(ValueError("a\n  b")) == "ValueError: a b"
    assert describe(Conflict("taken")) == "conflict: taken"
    assert len(describe(ValueError("x" * 10_000))) == 500
    assert describe(ValueError("a\x00b\ud800")) == "ValueError: ab?"


def test_upkeep_says_what_it_found_and_nothing_when_all_is_well() -> None:
    assert upkeep.months_made([]) == "all there"
    assert upkeep.months_made(["events_2026_12"]) == "made events_2026_12"
    assert upkeep.held_back([]) == upkeep.outside_of_months([]) == ""
    assert "6 min" in upkeep.held_back([LongTransaction(who="a process", minutes=6.2)])
    assert upkeep.outside_of_months(["events"]) == "rows outside of every month: events"
