"""Operations on retention: policies, legal holds, archives, and taking everything out."""

from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import Field

from ...database.queries import Many, Maybe, One, Queries, Run
from ...kernel import Page, Service, Step, context, operation, scheduled, stream
from ...kernel.errors import near_match
from ...kernel.identifiers import NOBODY, uuid7
from ...kernel.operation import Plan
from ...kernel.paging import Cursor, PageSize, decode_cursor
from ...kernel.texts import AgentReference
from ...registry.agents.lookup import find_agent
from . import archiving, exporting, packing, rules
from .errors import ClassUnknown, ErasureUnderWay, HoldNotFound, HoldOfPlatform, PolicyRefused
from .models import (
    Action,
    Archive,
    ClassName,
    ClassRow,
    Days,
    ExportPiece,
    Hold,
    HoldId,
    HoldPlaced,
    HoldReason,
    HoldReleased,
    PolicyCleared,
    PolicySet,
    RetentionPolicy,
)
from .removing import drop_months, remove_some

__all__ = ["Retention"]

# Who may end a tenant may also keep it: a hold of theirs is not the tenant's to release.
_PLATFORM = "platform:tenants"
_SOME_HOLD = "018f0000-0000-7000-8000-000000000000"


class Sql(Queries):
    """Statements of this subsystem."""

    classes: Many[ClassRow]
    decide: One[str]
    undecide: Maybe[str]
    lock: Run
    place: Maybe[Hold]
    release: Maybe[Hold]
    hold: Maybe[Hold]
    holds: Many[Hold]
    archives: Many[Archive]


sql = Sql()


class Retention(Service, group="retention"):
    """Retention: how long data stays, what holds it, where it goes, and taking everything out."""

    offline: ClassVar = {"verify": packing.verify}

    @operation(effect="read", scope="retention:read", audience="operator", mode="single", example={})
    async def policies(self) -> Sequence[RetentionPolicy]:
        """What happens to each class of this tenant's data, who decided it, and how far retention lags."""
        return [rules.policy_of(row) for row in await sql.classes()]

    @operation(
        effect="destroy",
        scope="retention:write",
        audience="operator",
        example={"data_class": "access_log", "action": "delete", "days": 180},
    )
    async def set(
        self,
        *,
        data_class: ClassName,
        action: Annotated[Action, Field(description="delete, archive or retain.")],
        days: Days = None,
    ) -> RetentionPolicy:
        """Decide what happens to a class of this tenant's data; what is old enough by then goes within the hour.

        Raises:
            ClassUnknown: there is no such class.
            PolicyRefused: the class does not allow it.
            ArchiveNotConfigured: this server has no folder for archives.
        """
        before = await _checked(data_class, action, days)
        if action == "archive":
            archiving.folder_of(self.executor)
        await sql.decide(data_class=data_class, action=action, days=days, actor=context().actor.id)
        context().record(
            PolicySet(data_class=data_class, action=action, days=days),
            before={"action": before.action, "days": before.days},
            after={"action": action, "days": days},
        )
        return await _policy(data_class)

    @set.plan
    async def _plan_set(self, *, data_class: str, action: Action, days: int | None = None) -> Plan:
        before = await _checked(data_class, action, days)
        if action == "retain":
            return Plan(summary=f"{data_class} would stay for ever.", counts={})
        was = "stays for ever" if before.days is None else f"is {before.action}d after {before.days} days"
        return Plan(summary=f"{data_class} {was}; it would be {action}d after {days} days.", counts={"policies": 1})

    @operation(effect="destroy", scope="retention:write", audience="operator", example={"data_class": "agent_activity"})
    async def clear(self, *, data_class: ClassName) -> RetentionPolicy:
        """Go back to the default for a class; what is old enough by then goes within the hour."""
        before = await _row(data_class)
        if await sql.undecide(data_class=data_class) is not None:
            now = await _row(data_class)
            context().record(
                PolicyCleared(data_class=data_class),
                before={"action": before.action, "days": before.days},
                after={"action": now.action, "days": now.days},
            )
        return await _policy(data_class)

    @clear.plan
    async def _plan_clear(self, *, data_class: str) -> Plan:
        row = await _row(data_class)
        if not row.is_own:
            return Plan(summary=f"The default holds for {data_class} already.", counts={"policies": 0})
        return Plan(summary=f"The default would hold for {data_class} again.", counts={"policies": 1})

    @operation(
        effect="write",
        scope="retention:hold",
        audience="operator",
        example={"agent": "alderman", "reason": "Case 17 before the county court"},
    )
    async def hold(
        self,
        *,
        reason: HoldReason,
        agent: Annotated[AgentReference | None, Field(description="Hold only this agent; none: the tenant.")] = None,
    ) -> Hold:
        """Hold this tenant, or one agent of it: until it is released, nothing of it is removed.

        Raises:
            ErasureUnderWay: it is being erased already.
        """
        call = context()
        held = None if agent is None else (await find_agent(agent)).id
        await sql.lock()
        placed = await sql.place(
            id=uuid7(),
            agent=held,
            reason=reason,
            actor=call.actor.id,
            actor_name=call.actor.name,
            by_platform=call.principal.may(_PLATFORM),
        )
        if placed is None:
            raise ErasureUnderWay()
        call.record(HoldPlaced(agent=held), subject=held or call.tenant, after=placed)
        return placed

    @operation(effect="destroy", scope="retention:hold", audience="operator", example={"hold": _SOME_HOLD})
    async def release(self, *, hold: HoldId) -> Hold:
        """Release a hold; what is old enough by then goes within the hour.

        Raises:
            HoldNotFound: none of this id stands here.
            HoldOfPlatform: the platform's operator placed it.
        """
        call = context()
        released = await sql.release(id=hold, actor=call.actor.id, by_platform=call.principal.may(_PLATFORM))
        if released is None:
            await _releasable(hold)
            raise _no_hold(hold)
        was = released.model_copy(update={"released_at": None, "released_by": None})
        context().record(
            HoldReleased(agent=released.agent), subject=released.agent or context().tenant, before=was, after=released
        )
        return released

    @release.plan
    async def _plan_release(self, *, hold: UUID) -> Plan:
        found = await _releasable(hold)
        what = f"agent {found.agent}" if found.agent else "the tenant"
        return Plan(summary=f"{what[0].upper()}{what[1:]} would be held by it no more.", counts={"holds": 1})

    @operation(effect="read", scope="retention:read", audience="operator", example={"limit": 10})
    async def holds(
        self,
        *,
        released: Annotated[bool, Field(description="Also those that were released.")] = False,
        limit: PageSize = 50,
        cursor: Cursor = None,
    ) -> Page[Hold]:
        """Legal holds on this tenant and on agents of it, oldest first."""
        query = ["retention.holds", context().tenant, released]
        (after,) = decode_cursor(query, cursor, parts=(UUID,)) or [NOBODY]
        rows = await sql.holds(after=after, released=released, size=limit + 1)
        return Page.cut(rows, limit=limit, query=query, key=lambda row: [row.id])

    @operation(effect="read", scope="retention:read", audience="operator", example={"limit": 10})
    async def archives(
        self,
        *,
        data_class: Annotated[ClassName | None, Field(description="Only of this class.")] = None,
        limit: PageSize = 50,
        cursor: Cursor = None,
    ) -> Page[Archive]:
        """Files that hold what was archived of this tenant, oldest first: the manifest."""
        query = ["retention.archives", context().tenant, data_class]
        (after,) = decode_cursor(query, cursor, parts=(UUID,)) or [NOBODY]
        rows = await sql.archives(after=after, data_class=data_class, size=limit + 1)
        return Page.cut(rows, limit=limit, query=query, key=lambda row: [row.id])

    @stream(scope="retention:export", audience="operator", example={})
    async def export(self) -> AsyncIterator[ExportPiece]:
        """Everything that this tenant has, table by table, as it is in one moment; secrets left out.

        The last piece has the manifest: rows and digest of each table. Whoever reads slowly keeps a connection.
        """
        async with exporting.snapshot(self.executor) as pages:
            async for piece in pages:
                yield piece

    export.file(packing.write_export)

    @scheduled(every=timedelta(hours=1), per_tenant=True)
    async def remove(self) -> Step:
        """Delete or archive what is older than its policy says, some rows at a time."""
        return await remove_some(self.executor)

    @scheduled(every=timedelta(hours=12))
    async def drop_months(self) -> str:
        """Drop months of logs of which every tenant's policy says that all of it goes."""
        return await drop_months()


async def _row(data_class: str) -> ClassRow:
    rows = {row.name: row for row in await sql.classes()}
    if data_class not in rows:
        raise ClassUnknown(
            f"There is no class of data {data_class!r}.{near_match(data_class, rows)} `retention.policies` lists them.",
            data_class=data_class,
        )
    return rows[data_class]


async def _policy(data_class: str) -> RetentionPolicy:
    return rules.policy_of(await _row(data_class))


async def _checked(data_class: str, action: Action, days: int | None) -> ClassRow:
    row = await _row(data_class)
    if refusal := rules.why_refused(row, action, days):
        raise PolicyRefused(refusal, field="days" if action in row.actions else "action")
    return row


async def _releasable(hold: UUID) -> Hold:
    found = await sql.hold(id=hold)
    if found is None or found.released_at is not None:
        raise _no_hold(hold)
    if found.by_platform and not context().principal.may(_PLATFORM):
        raise HoldOfPlatform(
            f"Legal hold {hold} was placed by the platform's operator ({found.placed_by_name}), who alone releases it; "
            "ask there.",
            hold=str(hold),
        )
    return found


def _no_hold(hold: UUID) -> HoldNotFound:
    return HoldNotFound(
        f"There is no legal hold {hold} here that could be released; `retention.holds` shows those that stand.",
        hold=str(hold),
    )
