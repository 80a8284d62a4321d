"""Operations on queues: pause and resume them, and give their groups shares and limits."""

from typing import Annotated

from pydantic import Field

from ...database.queries import Many, Maybe, One, Queries, Run
from ...kernel import Page, Service, context, operation
from ...kernel.errors import Conflict, Invalid
from ...kernel.paging import Cursor, PageSize, decode_cursor
from ..tasks.models import QueueName, Reason
from .models import Queue, QueueConfigured, QueueGroup, QueuePaused, QueueResumed

__all__ = ["Queues"]

GroupName = Annotated[str, Field(max_length=100, description="The group; empty: tasks without one.")]


class QueueNotPaused(Conflict):
    """The queue is not paused."""


class Sql(Queries):
    """Statements of queues."""

    pause: One[Queue]
    resume: Maybe[Queue]
    known: Many[Queue]
    groups: Many[QueueGroup]
    configure: One[QueueGroup]
    place: Run
    seat: Run


sql = Sql()


class Queues(Service, group="queues"):
    """Queues: pause and resume them, and give their groups shares and limits."""

    @operation(effect="read", scope="tasks:read", mode="single", example={})
    async def list(self, *, limit: PageSize = 50, cursor: Cursor = None) -> Page[Queue]:
        """Queues, by name; one exists as soon as a task was added to it."""
        query = ["queues.list", context().tenant]
        (after,) = decode_cursor(query, cursor, parts=(str,)) or [""]
        rows = await sql.known(after=after, size=limit + 1)
        return Page.cut(rows, limit=limit, query=query, key=lambda row: [row.name])

    @operation(
        effect="write", scope="queues:write", audience="operator", example={"queue": "default", "reason": "maintenance"}
    )
    async def pause(self, *, queue: QueueName, reason: Reason) -> Queue:
        """Hand nothing out of a queue until `queues.resume`; tasks can be added, and those that are held go on."""
        paused = await sql.pause(queue=queue, reason=reason)
        context().record(QueuePaused(queue=queue, reason=reason))
        return paused

    @operation(effect="write", scope="queues:write", audience="operator", example={"queue": "default"})
    async def resume(self, *, queue: QueueName) -> Queue:
        """Hand tasks out of a queue again.

        Raises:
            QueueNotPaused: it is not paused.
        """
        resumed = await sql.resume(queue=queue)
        if resumed is None:
            raise QueueNotPaused(f"The queue {queue} is not paused.", queue=queue)
        context().record(QueueResumed(queue=queue))
        return resumed

    @operation(effect="read", scope="tasks:read", mode="single", example={"queue": "default"})
    async def groups(
        self, *, queue: QueueName = "default", limit: PageSize = 50, cursor: Cursor = None
    ) -> Page[QueueGroup]:
        """Groups of a queue that have a share or a limit of their own, by name."""
        query = ["queues.groups", context().tenant, queue]
        place = decode_cursor(query, cursor, parts=(str,))
        # The group without a name comes first, so what comes before it is no text at all.
        rows = await sql.groups(queue=queue, after=place[0] if place else None, size=limit + 1)
        return Page.cut(rows, limit=limit, query=query, key=lambda row: [row.group])

    @operation(
        effect="write",
        scope="queues:write",
        audience="operator",
        example={"queue": "default", "group": "nightly", "weight": 1, "max_running": 4},
    )
    async def configure(
        self,
        *,
        queue: QueueName,
        group: GroupName = "",
        weight: Annotated[int, Field(ge=1, le=1000, description="Its share beside the other groups.")] = 1,
        max_running: Annotated[
            int | None,
            Field(ge=1, le=10_000, description="How many of its tasks may be held at once; none: any number."),
        ] = None,
        rate_limit: Annotated[
            int | None,
            Field(ge=1, le=1_000_000, description="How many may be begun in `rate_seconds`; none: any number."),
        ] = None,
        rate_seconds: Annotated[int | None, Field(ge=1, le=86_400, description="The seconds of the rate.")] = None,
    ) -> QueueGroup:
        """Set share and limits of a group of tasks, all of them; they hold for what is handed out from now on.

        Raises:
            Invalid: a rate has both a number and seconds.
        """
        if (rate_limit is None) != (rate_seconds is None):
            raise Invalid("A rate has a number and seconds; give both or neither.", field="rate_seconds", rule="pair")
        set_ = await sql.configure(
            queue=queue,
            group=group,
            weight=weight,
            max_running=max_running,
            rate_limit=rate_limit,
            rate_seconds=rate_seconds,
        )
        await sql.place(queue=queue, group=group, max_running=max_running)
        if max_running is not None:
            await sql.seat(queue=queue, group=group)
        context().record(QueueConfigured(**set_.model_dump(exclude={"running"})))
        return set_
