"""A service that only the tests of the worker know: an event, three handlers, a job, schedules."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import Annotated, Any
from uuid import UUID

import psycopg
from pydantic import Field

from moothill.kernel import Service, Step, context, handles, job, operation, scheduled
from moothill.kernel.errors import Invalid
from moothill.kernel.events import EVENT_KINDS, Event, EventPayload
from moothill.kernel.service import HANDLERS, REGISTRY, SCHEDULES, SERVICES

TABLES = (
    "set role moothill_owner",
    # Deliberately without a unique key: what happens twice shows.
    "create table moothill.probe_marks (tenant_id uuid not null, place bigint generated always as identity, "
    "mark text not null, event uuid, number integer)",
    "create table moothill.probe_orders (tenant_id uuid not null, name text not null, "
    "constraint probe_orders_key unique (tenant_id, name))",
    "select mt.protect('moothill.probe_marks')",
    "select mt.protect('moothill.probe_orders')",
    "grant select, insert on moothill.probe_marks to moothill_app",
    "grant select, insert, delete on moothill.probe_orders to moothill_app",
)
LOCK = 4711


def make_tables(dsn: str) -> None:
    """Where the probe leaves its marks, and finds the orders of the test."""
    with psycopg.connect(dsn, autocommit=True) as owner:
        for statement in TABLES:
            owner.execute(statement.encode())


async def fetch(statement: str, **values: Any) -> list[Mapping[str, Any]]:
    transaction = context().transaction
    assert transaction is not None
    return list(await transaction.fetch(statement, {"tenant": context().tenant, **values}))


async def leave(mark: str, *, event: UUID | None = None, number: int | None = None) -> None:
    """Leave a mark in the transaction at hand."""
    await fetch(
        "insert into probe_marks (tenant_id, mark, event, number) values (%(tenant)s, %(mark)s, %(event)s, %(number)s)",
        mark=mark,
        event=event,
        number=number,
    )


async def obey(where: str) -> None:
    """Do what the test ordered for this place: fail, or wait for its lock."""
    names = {row["name"] for row in await fetch("select name from probe_orders where tenant_id = %(tenant)s")}
    if f"break {where}" in names:
        raise RuntimeError(f"ordered to break at {where}")
    if f"refuse {where}" in names:
        raise Invalid(f"ordered to refuse at {where}")
    if f"hold {where}" in names:
        await fetch(f"select pg_advisory_xact_lock({LOCK})")


@contextmanager
def registered() -> Iterator[type[Service]]:
    """The probe, known to executors and workers as long as the block runs."""

    try:

        class Happened(EventPayload, kind="probe.happened"):
            """Something happened to the probe."""

            number: int = Field(description="Which.")

        class Probe(Service, group="probe"):
            """What only these tests know."""

            @operation(effect="write", scope="probe:write", example={"numbers": [1]})
            async def happen(
                self,
                *,
                numbers: Annotated[list[int], Field(description="Which.")],
                subject: Annotated[UUID | None, Field(description="To what.")] = None,
                subjects: Annotated[list[UUID] | None, Field(description="To what.")] = None,
            ) -> int:
                """Record an event for each number."""
                for number in numbers:
                    context().record(Happened(number=number), subject=subject, subjects=subjects or ())
                return len(numbers)

            async def _handled(self, mark: str, event: Event) -> None:
                number = event.payload["number"]
                await leave(mark, event=event.id, number=number)
                await obey(f"{mark} {number}")

            @handles(Happened)
            async def first(self, event: Event) -> None:
                await self._handled("first", event)

            @handles(Happened)
            async def second(self, event: Event) -> None:
                await self._handled("second", event)

            @handles(Happened)
            async def third(self, event: Event) -> None:
                await self._handled("third", event)

            @job(effect="write", scope="probe:write", audience="anyone", example={"steps": 1})
            async def work(
                self, *, steps: Annotated[int, Field(ge=1, description="How many.")] = 3, note: NOTE = "step"
            ) -> Step:
                """Leave a mark in each step."""
                done = (context().cursor or {}).get("done", 0) + 1
                await leave(note, number=done)
                await obey(f"{note} {done}")
                context().record(Happened(number=-done))
                return Step(
                    done=done,
                    total=steps,
                    cursor={"done": done} if done < steps else None,
                    message=f"{done} of {steps}",
                )

            @job(effect="write", scope="probe:write", example={"steps": 1})
            async def prepared(self, *, steps: Annotated[int, Field(ge=1, description="How many.")] = 2) -> Step:
                """Leave a mark of what was made ready outside of the transaction."""
                done = (context().cursor or {}).get("done", 0) + 1
                await leave("prepared", number=context().prepared)
                return Step(done=done, cursor={"done": done} if done < steps else None)

            @prepared.prepare
            async def _prepare(self, *, steps: int) -> int:
                assert context().transaction is None
                return 10 + int((context().cursor or {}).get("done", 0))

            @scheduled(every=timedelta(hours=1))
            async def hourly(self) -> str:
                await obey("hourly")
                await leave("hourly")
                return "left a mark"

            @scheduled(every=timedelta(hours=1), per_tenant=True)
            async def everywhere(self) -> Step:
                done = (context().cursor or {}).get("done", 0) + 1
                await leave("everywhere", number=done)
                await obey("everywhere")
                return Step(done=done, cursor={"done": done} if done < 2 else None)

        yield Probe
    finally:
        # Also after a declaration that was refused half-way.
        SERVICES.pop("probe", None)
        EVENT_KINDS.pop("probe.happened", None)
        for registry in (REGISTRY, HANDLERS, SCHEDULES):
            for name in [name for name in registry if name.startswith("probe.")]:
                del registry[name]


NOTE = Annotated[str, Field(min_length=1, max_length=20, description="The mark.")]
