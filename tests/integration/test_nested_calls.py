"""Calls inside of calls: what they inherit, what they may not, and how they end."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, Field

from moothill.kernel import REGISTRY, SERVICES, Plan, Service, Step, context, job, operation, stream
from moothill.kernel.errors import Internal, Invalid, OutcomeUnknown
from moothill.kernel.local import DeadlineExceeded, LocalExecutor
from moothill.kernel.service import HANDLERS, SCHEDULES
from moothill.moot import Moot
from moothill.tenancy.tenants.models import TenantCreated

Word = Annotated[str, Field(description="A word.")]
Flag = Annotated[bool, Field(description="Whether.")]


class Seen(BaseModel):
    """What a call saw of itself."""

    operation: str = ""
    parents: list[str] = []
    reason: str | None = None
    remaining: float | None = None
    read_only: bool = False
    prepared: str | None = None


def look() -> Seen:
    call = context()
    parents, above = [], call.parent
    while above is not None:
        parents.append(above.operation)
        above = above.parent
    return Seen(
        operation=call.operation,
        parents=parents,
        reason=call.options.reason,
        remaining=call.remaining,
        read_only=call.read_only,
        prepared=call.prepared,
    )


class Nests(Service, group="nests"):
    """Calls inside of calls."""

    @operation(effect="write", scope="nests:write")
    async def inner(self) -> Seen:
        """Look around."""
        return look()

    @inner.prepare
    async def _prepare_inner(self) -> str:
        return "ready"

    @operation(effect="write", scope="nests:write")
    async def outer(self, *, seconds: Annotated[float | None, Field(description="Deadline inside.")] = None) -> Seen:
        """Look around from inside."""
        deadline = None if seconds is None else timedelta(seconds=seconds)
        return await self.inner.options(deadline=deadline)()

    @operation(effect="read", scope="nests:read", mode="none")
    async def free_read(self) -> Seen:
        """Call a write although a read, without a transaction."""
        return await self.inner()

    @operation(effect="write", scope="nests:write", mode="none")
    async def free_write(self) -> Seen:
        """Call a write without a transaction of one's own."""
        return await self.outer()

    @operation(effect="write", scope="nests:write", example={"how": "free"})
    async def cannot_join(self, *, how: Word) -> Seen:
        """Do inside of a transaction what has no place there."""
        if how == "free":
            return await self.free_write()
        if how == "stream":
            return await anext(self.follow())
        if how == "key":
            return await self.inner.options(idempotency_key="k")()
        await self.inner.plan()
        return look()

    @operation(effect="destroy", scope="nests:write")
    async def purge(self) -> Seen:
        """Destroy."""
        return look()

    @purge.plan
    async def _plan_purge(self) -> Plan:
        return Plan(summary=f"read only: {context().read_only}")

    @operation(effect="write", scope="nests:write")
    async def plan_inside(self) -> Plan:
        """Ask for a plan inside of a transaction."""
        return await self.purge.plan()

    @operation(effect="write", scope="nests:write", mode="single")
    async def single(self) -> Seen:
        """Let a nested call write an event behind the only statement."""
        return await self.recording()

    @operation(effect="write", scope="nests:write")
    async def recording(self) -> Seen:
        """Run a statement, then record."""
        call = context()
        assert call.transaction is not None
        await call.transaction.fetch("select 1", {})
        call.record(TenantCreated(slug="x", name="x"))
        return look()

    @operation(effect="read", scope="nests:read")
    async def record_in_read(self) -> Seen:
        """Record although a read."""
        context().record(TenantCreated(slug="x", name="x"))
        return look()

    @operation(effect="write", scope="nests:write", mode="none")
    async def record_nowhere(self) -> Seen:
        """Record without a transaction."""
        context().record(TenantCreated(slug="x", name="x"))
        return look()

    @operation(effect="write", scope="nests:write", mode="none", example={"how": "value"})
    async def fail(self, *, how: Word) -> Seen:
        """Fail in ways that are not ours."""
        if how == "committing":
            context().marks.add("committing")
            await asyncio.sleep(60)
        raise TimeoutError("of somebody else") if how == "timeout" else ValueError("a secret")

    @stream(scope="nests:read")
    async def follow(self) -> AsyncIterator[Seen]:
        """Look around for ever."""
        while True:
            yield look()

    @job(effect="write", scope="nests:write")
    async def rebuild(self, *, word: Word = "x") -> Step:
        """Work for long."""
        return Step(done=1)


OURS = {name: REGISTRY.pop(name) for name in list(REGISTRY) if name.startswith("nests.")}
SERVICES.pop("nests")


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setitem(SERVICES, "nests", Nests)
    for name, found in OURS.items():
        monkeypatch.setitem(REGISTRY, name, found)
    assert not [name for name in (*SCHEDULES, *HANDLERS) if name.startswith("nests.")]
    yield


@pytest.fixture
def nests(moot: Moot) -> Nests:
    return Nests(moot.executor)


async def test_a_nested_call_inherits_reason_deadline_and_transaction(nests: Nests) -> None:
    seen = await nests.outer.options(reason="why", deadline=timedelta(seconds=30))()
    assert (seen.operation, seen.parents, seen.reason, seen.prepared) == (
        "nests.inner",
        ["nests.outer"],
        "why",
        "ready",
    )
    assert seen.remaining is not None
    assert 0 < seen.remaining <= 30


async def test_the_sooner_deadline_holds(nests: Nests) -> None:
    for outer, inner, most in ((30, 5, 5), (5, 30, 5), (None, 5, 5)):
        deadline = None if outer is None else timedelta(seconds=outer)
        seen = await nests.outer.options(deadline=deadline)(seconds=inner)
        assert seen.remaining is not None
        assert 0 < seen.remaining <= most
    assert (await nests.outer()).remaining is None


async def test_a_call_without_a_transaction_has_calls_with_their_own(nests: Nests) -> None:
    assert (await nests.free_write()).parents == ["nests.outer", "nests.free_write"]
    with pytest.raises(Internal, match="declared a read and may not call"):
        await nests.free_read()


@pytest.mark.parametrize(
    ("how", "complaint"),
    [("free", "manages its own transactions"), ("stream", "is a stream"), ("key", "outermost"), ("plan", "no dry run")],
)
async def test_what_cannot_join_a_transaction_says_so(nests: Nests, how: str, complaint: str) -> None:
    with pytest.raises(Invalid, match=complaint):
        await nests.cannot_join(how=how)


async def test_a_plan_inside_of_a_transaction_reads_only(nests: Nests) -> None:
    assert (await nests.plan_inside()).summary == "read only: True"


async def test_an_event_that_nothing_would_keep_is_refused(nests: Nests) -> None:
    with pytest.raises(Internal, match="declared a read and may not record"):
        await nests.record_in_read()
    with pytest.raises(Internal, match="outside of a transaction"):
        await nests.record_nowhere()
    with pytest.raises(Internal, match="declared single"):
        await nests.single()


async def test_what_is_not_ours_is_counted_as_internal_and_stays_unsaid(
    nests: Nests, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "moothill"):
        for how, error in (("value", ValueError), ("timeout", TimeoutError)):
            with pytest.raises(error):
                await nests.fail.options(deadline=timedelta(seconds=30))(how=how)
    assert {each.__dict__["outcome"] for each in caplog.records} == {"internal"}
    assert "a secret" not in caplog.text


async def test_a_deadline_that_passes_during_the_commit_says_that_nobody_knows(nests: Nests) -> None:
    with pytest.raises(OutcomeUnknown):
        await nests.fail.options(deadline=timedelta(milliseconds=20))(how="committing")
    with pytest.raises(DeadlineExceeded):
        await Nests(nests.executor).outer.options(deadline=timedelta(0))()


async def test_a_stream_that_is_left_early_is_closed(nests: Nests) -> None:
    async for seen in nests.follow():
        assert (seen.operation, seen.read_only) == ("nests.follow", True)
        break
    iterator: Any = nests.follow()
    assert (await anext(iterator)).parents == []
    await iterator.aclose()
    with pytest.raises(StopAsyncIteration):
        await anext(iterator)


async def test_long_work_is_queued_and_answers_at_once(nests: Nests, moot: Moot) -> None:
    queued = await nests.rebuild.options(reason="nightly")(word="y")
    assert (queued.operation, queued.state) == ("nests.rebuild", "waiting")
    found = await moot.jobs.get(job=queued.id)
    assert found.reason == "nightly"
    await moot.jobs.cancel(job=queued.id)


async def test_a_service_of_somebody_else_runs_on_the_same_connection(moot: Moot) -> None:
    assert isinstance(moot.service(Nests), Nests)
    with pytest.raises(Invalid, match="no session"):
        Moot(moot.executor).tenant("x")
    await Moot(moot.executor).close()


def test_what_serves_a_door_knows_it(platform: Moot) -> None:
    local = platform.executor
    assert isinstance(local, LocalExecutor)
    assert local.door == "sdk"
