"""The local executor: one transaction, idempotency, batches, deadlines, retries, dry runs."""

import asyncio
import random
from collections.abc import Iterator
from datetime import timedelta
from typing import Annotated
from uuid import uuid4

import pytest
from pydantic import BaseModel, Field

from moothill.database.queries import One, Queries, Run
from moothill.kernel import Plan, Service, context, operation
from moothill.kernel.errors import Conflict, Forbidden, Internal, Invalid, NotFound, Unavailable
from moothill.kernel.local import LocalExecutor
from moothill.kernel.service import REGISTRY, SERVICES
from moothill.moot import Moot
from moothill.tenancy.tenants.models import TenantCreated

Name = Annotated[str, Field(max_length=100, description="A key.")]


class Count(BaseModel):
    """A number."""

    number: int


class ProbeSql(Queries):
    """Statements of the probe."""

    file = "test_executor.sql"

    put: Run
    count: One[int]
    sleep: Run


sql = ProbeSql()


@pytest.fixture(scope="module", autouse=True)
def probes() -> Iterator[None]:
    yield
    SERVICES.pop("probes", None)
    for name in [name for name in REGISTRY if name.startswith("probes.")]:
        del REGISTRY[name]


class Probes(Service, group="probes"):
    """Operations that only these tests know."""

    @operation(effect="write", scope="probes:write", example={"key": "a"})
    async def put(self, *, key: Name, fail: Annotated[bool, Field(description="Break off.")] = False) -> Count:
        """Write a row and an event."""
        await sql.put(key=key)
        context().record(TenantCreated(slug=key, name=key))
        if fail:
            raise Conflict("broken off")
        return Count(number=await sql.count())

    @operation(effect="write", scope="probes:write", example={"key": "a"})
    async def put_twice(self, *, key: Name) -> Count:
        """Write through nested calls."""
        await self.put(key=key)
        return await self.put(key=f"{key}2")

    @operation(effect="read", scope="probes:read")
    async def count(self) -> Count:
        """Count the rows."""
        return Count(number=await sql.count())

    @operation(effect="read", scope="probes:read", mode="single")
    async def count_single(self) -> Count:
        """Count the rows in one statement."""
        return Count(number=await sql.count())

    @operation(effect="read", scope="probes:read", mode="single")
    async def count_twice(self) -> Count:
        """Break the promise of one statement."""
        await sql.count()
        return Count(number=await sql.count())

    @operation(effect="read", scope="probes:read")
    async def sneaky(self) -> Count:
        """Write although declared a read."""
        await sql.put(key="sneaky")
        return Count(number=0)

    @operation(effect="read", scope="probes:read")
    async def sneaky_call(self) -> Count:
        """Call a write although declared a read."""
        return await self.put(key="sneaky")

    @operation(effect="read", scope="probes:read")
    async def sleep(self) -> Count:
        """Take long."""
        await sql.sleep()
        return Count(number=0)

    @operation(effect="destroy", scope="probes:write")
    async def purge(self) -> Count:
        """Destroy."""
        await sql.put(key="purged")
        return Count(number=0)

    @purge.plan
    async def _plan_purge(self) -> Plan:
        return Plan(summary="would go", counts={"rows": await sql.count()})


def probes_of(moot: Moot) -> Probes:
    return Probes(moot.executor)


async def test_a_call_commits_its_rows_and_its_event_together(moot: Moot) -> None:
    assert (await probes_of(moot).put(key="a")).number == 1
    assert (await probes_of(moot).count_single()).number == 1


async def test_a_failed_call_leaves_nothing(moot: Moot) -> None:
    with pytest.raises(Conflict, match="broken off"):
        await probes_of(moot).put(key="a", fail=True)
    assert (await probes_of(moot).count()).number == 0


async def test_nested_calls_join_the_transaction(moot: Moot) -> None:
    assert (await probes_of(moot).put_twice(key="a")).number == 2
    with pytest.raises(Conflict):
        async with moot.transaction():
            await probes_of(moot).put(key="b")
            await probes_of(moot).put(key="c", fail=True)
    assert (await probes_of(moot).count()).number == 2


async def test_a_transaction_groups_calls_and_is_not_nested(moot: Moot) -> None:
    async with moot.transaction(reason="together") as tx:
        await probes_of(tx).put(key="a")
        await probes_of(tx).put(key="b")
        with pytest.raises(Conflict, match="already open"):
            async with moot.transaction():
                pass
    assert (await probes_of(moot).count()).number == 2


async def test_a_declared_read_cannot_write(moot: Moot) -> None:
    with pytest.raises(Internal):
        await probes_of(moot).sneaky()
    with pytest.raises(Internal, match="declared a read"):
        await probes_of(moot).sneaky_call()
    assert (await probes_of(moot).count()).number == 0


async def test_single_means_one_statement(moot: Moot) -> None:
    with pytest.raises(Internal, match="declared single"):
        await probes_of(moot).count_twice()


async def test_the_second_call_with_a_key_returns_the_first_result(moot: Moot) -> None:
    put = probes_of(moot).put.options(idempotency_key="k")
    assert await put(key="a") == await put(key="a")
    assert (await probes_of(moot).count()).number == 1
    with pytest.raises(Conflict, match="other arguments"):
        await put(key="b")
    with pytest.raises(Invalid, match="read"):
        await probes_of(moot).count.options(idempotency_key="k")()


async def test_many_concurrent_calls_with_one_key_make_one_row(moot: Moot) -> None:
    barrier = asyncio.Barrier(12)

    async def one() -> Count:
        await barrier.wait()
        return await probes_of(moot).put.options(idempotency_key="k")(key="a")

    results = await asyncio.gather(*(one() for _ in range(12)))
    assert {result.number for result in results} == {1}
    assert (await probes_of(moot).count()).number == 1


async def test_a_failed_call_frees_its_key(moot: Moot) -> None:
    put = probes_of(moot).put.options(idempotency_key="k")
    with pytest.raises(Conflict):
        await put(key="a", fail=True)
    assert (await put(key="a", fail=False)).number == 1


async def test_a_batch_is_all_or_nothing_and_refers_to_earlier_results(platform: Moot) -> None:
    slug = f"t-{uuid4().hex}"
    first = platform.tenants.create.call(slug=slug, name=slug)
    made, found = await platform.batch([first, platform.tenants.get.call(tenant=first.result["slug"])])
    assert made == found
    other = f"t-{uuid4().hex}"
    with pytest.raises(Conflict) as raised:
        await platform.batch(
            [
                platform.tenants.create.call(slug=other, name=other),
                platform.tenants.create.call(slug=slug, name="again"),
            ]
        )
    assert raised.value.position == 1
    with pytest.raises(NotFound):
        await platform.tenants.get(tenant=other)


async def test_a_batch_refuses_what_cannot_join(platform: Moot) -> None:
    with pytest.raises(Invalid, match="no place in an earlier result"):
        await platform.operations.batch(
            calls=[{"operation": "tenants.get", "arguments": {"tenant": {"$result": ["0", "slug"]}}}]  # type: ignore[list-item]
        )
    with pytest.raises(Invalid, match="cannot be part"):
        await platform.operations.batch(calls=[{"operation": "operations.batch", "arguments": {}}])  # type: ignore[list-item]
    with pytest.raises(NotFound, match="Did you mean"):
        await platform.operations.batch(calls=[{"operation": "tenants.gett", "arguments": {}}])  # type: ignore[list-item]


async def test_a_deadline_ends_a_call_and_frees_its_connection(moot: Moot) -> None:
    with pytest.raises(Unavailable):
        await probes_of(moot).sleep.options(deadline=timedelta(milliseconds=100))()
    assert (await probes_of(moot).count()).number == 0


async def test_a_dry_run_tells_and_does_nothing(moot: Moot) -> None:
    await probes_of(moot).put(key="a")
    plan = await probes_of(moot).purge.plan()
    assert plan == Plan(summary="would go", counts={"rows": 1})
    assert (await probes_of(moot).count()).number == 1
    with pytest.raises(Invalid, match="no dry run"):
        await probes_of(moot).put.plan(key="x")


async def test_scopes_are_needed(moot: Moot) -> None:
    issued = await moot.keys.create(name="narrow", scopes=["agents:read"])
    from moothill.tenancy.keys import KeyGate

    session = moot.session
    assert session is not None
    assert session.database is not None
    assert session.runtime is not None
    principal = await KeyGate(session.database).authenticate(issued.secret)
    with pytest.raises(Forbidden, match="probes:write"):
        await Probes(LocalExecutor(session.runtime, principal)).put(key="a")
    assert (await probes_of(moot).count()).number == 0


async def test_deadlocks_are_retried_until_both_are_done(moot: Moot) -> None:
    """Two calls take the same two rows in opposite order; both succeed in the end."""
    await probes_of(moot).put(key="x")
    barrier = asyncio.Barrier(2)
    attempts: list[str] = []

    class Lockers(Service, group="lockers"):
        """Calls that deadlock."""

        @operation(effect="write", scope="lockers:write", example={"first": "a", "second": "b"})
        async def lock(self, *, first: Name, second: Name) -> Count:
            """Touch two rows."""
            attempts.append(first)
            await sql.put(key=first)
            if len(attempts) <= 2:
                await barrier.wait()
            await sql.put(key=second)
            return Count(number=0)

    try:
        lockers = Lockers(moot.executor)
        await asyncio.gather(lockers.lock(first="p", second="q"), lockers.lock(first="q", second="p"))
    finally:
        SERVICES.pop("lockers")
        REGISTRY.pop("lockers.lock")
    assert len(attempts) == 3
    assert (await probes_of(moot).count()).number == 3


async def test_a_call_outside_of_any_operation_is_told_so() -> None:
    with pytest.raises(Internal, match="No operation is running"):
        context()


async def test_a_plan_inside_a_transaction_destroys_nothing(moot: Moot) -> None:
    async with moot.transaction() as tx:
        await probes_of(tx).put(key="a")
        assert (await probes_of(tx).purge.plan()).counts == {"rows": 1}
    assert (await probes_of(moot).count()).number == 1


async def test_a_key_inside_a_transaction_is_refused_because_only_the_outermost_call_can_keep_it(moot: Moot) -> None:
    async with moot.transaction() as tx:
        with pytest.raises(Invalid, match="outermost"):
            await probes_of(tx).put.options(idempotency_key="k")(key="a")


async def test_a_nested_failure_that_is_caught_leaves_nothing_of_itself(moot: Moot) -> None:
    async with moot.transaction() as tx:
        await probes_of(tx).put(key="a")
        with pytest.raises(Conflict):
            await probes_of(tx).put(key="b", fail=True)
        await probes_of(tx).put(key="c")
    assert (await probes_of(moot).count()).number == 2
    # The feed shows an event once no older transaction runs anywhere on the server, those of other tests included.
    events = (await moot.events.list(limit=50)).items
    for _ in range(1_000):
        if len(events) >= 2:
            break
        await asyncio.sleep(0.01)
        events = (await moot.events.list(limit=50)).items
    assert sorted(event.payload["slug"] for event in events) == ["a", "c"]


async def test_a_refused_statement_inside_a_transaction_can_be_passed_over(platform: Moot) -> None:
    slug = f"t-{uuid4().hex}"
    async with platform.transaction() as tx:
        await tx.tenants.create(slug=slug, name=slug)
        with pytest.raises(Conflict, match="exists already"):
            await tx.tenants.create(slug=slug, name="again")
    assert (await platform.tenants.get(tenant=slug)).name == slug


async def test_a_batch_keeps_no_secret_and_shows_it_once(moot: Moot) -> None:
    calls = [moot.keys.create.call(name="k", scopes=["agents:read"])]
    entries = [{"operation": call.operation.name, "arguments": call.arguments} for call in calls]
    batch = moot.operations.batch.options(idempotency_key="once")
    first = await batch(calls=entries)  # type: ignore[arg-type]
    assert first.results[0]["secret"].startswith("moot_")
    with pytest.raises(Conflict, match="already issued"):
        await batch(calls=entries)  # type: ignore[arg-type]


async def test_data_that_looks_like_a_reference_stays_data(moot: Moot) -> None:
    hostile = {"$result": ["0", "secret"]}
    made, agent = await moot.batch(
        [
            moot.keys.create.call(name="k", scopes=["agents:read"]),
            moot.agents.register.call(name="Eve", agent_id="eve", details={"metadata": {"x": hostile}}),  # type: ignore[arg-type]
        ]
    )
    assert made.secret not in agent.model_dump_json()
    assert agent.metadata["x"] == hostile


async def test_calls_of_another_database_or_tenant_do_not_join(moot: Moot, other: Moot) -> None:
    await probes_of(other).count()
    async with moot.transaction():
        with pytest.raises(Conflict, match="cannot join"):
            await probes_of(other).put(key="a")


async def test_cancelled_calls_give_their_connections_back(moot: Moot) -> None:
    """Two cancellations at once must not cost the pool a connection."""
    database = moot.session.database if moot.session else None
    assert database is not None
    await probes_of(moot).count()
    randomness = random.Random(7)

    async def cancelled() -> None:
        task = asyncio.ensure_future(
            probes_of(moot).put.options(deadline=timedelta(milliseconds=randomness.uniform(0.2, 4)))(key="a")
        )
        for _ in range(2):
            await asyncio.wait([task], timeout=randomness.uniform(0, 0.004))
            task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    for _ in range(40):
        await asyncio.gather(*(cancelled() for _ in range(8)))
    for _ in range(500):
        if (statistics := database.statistics())["pool_available"] == statistics["pool_size"]:
            break
        await asyncio.sleep(0.01)
    statistics = database.statistics()
    assert statistics["pool_available"] == statistics["pool_size"]
    assert (await probes_of(moot).count()).number <= 1


async def test_a_revoked_key_is_refused_although_it_was_rotated(moot: Moot) -> None:
    from moothill.kernel.errors import Unauthenticated
    from moothill.tenancy.keys import KeyGate

    assert moot.session is not None
    assert moot.session.database is not None
    gate = KeyGate(moot.session.database)
    first = await moot.keys.create(name="k", scopes=["agents:read"])
    await moot.keys.rotate(key=first.key.id, grace=timedelta(hours=1))
    await moot.keys.revoke(key=first.key.id)
    with pytest.raises(Unauthenticated, match="revoked"):
        await gate.authenticate(first.secret)
