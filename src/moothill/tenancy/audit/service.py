"""Operations of the audit: the log of writes, with what each write changed."""

from typing import Annotated
from uuid import UUID

from pydantic import AwareDatetime, Field

from ...database.queries import Many, Maybe, Queries
from ...kernel import Page, Service, context, operation
from ...kernel.errors import NotFound
from ...kernel.paging import Cursor, PageSize, decode_cursor
from . import rules
from .models import AuditEntry, AuditRow

__all__ = ["Audit"]

_LAST = UUID(int=2**128 - 1)


class EntryNotFound(NotFound):
    """There is no such event here; `audit.list` shows those that exist."""


class Sql(Queries):
    """Statements of this subsystem."""

    page: Many[AuditRow]
    page_of_kinds: Many[AuditRow]
    page_of_subject: Many[AuditRow]
    one: Maybe[AuditRow]


sql = Sql()


class Audit(Service, group="audit"):
    """The audit: who changed what, from what to what, and as whom."""

    @operation(effect="read", scope="audit:read", example={"kind": "agents.", "limit": 10})
    async def list(
        self,
        *,
        subject: Annotated[UUID | None, Field(description="Only writes on the thing with this id.")] = None,
        actor: Annotated[
            UUID | None, Field(description="Only what this operator or agent did, also behind a view as another.")
        ] = None,
        kind: Annotated[
            str | None, Field(min_length=1, max_length=100, description="Only kinds that begin so, such as `keys.`.")
        ] = None,
        changed: Annotated[bool, Field(description="Only writes that tell what they changed.")] = False,
        since: Annotated[AwareDatetime | None, Field(description="Only at or after this time.")] = None,
        until: Annotated[AwareDatetime | None, Field(description="Only before this time.")] = None,
        limit: PageSize = 50,
        cursor: Cursor = None,
    ) -> Page[AuditEntry]:
        """Writes of this tenant, newest first, each with the fields that it changed; secrets are never among them.

        An agent sees what it did itself.
        """
        query = ["audit.list", context().tenant, subject, actor, kind, changed, since, until]
        (before,) = decode_cursor(query, cursor, parts=(UUID,)) or [_LAST]
        wanted = {"before": before, "actor": actor, "changed": changed, "since": since, "until": until}
        if subject is not None:
            rows = await sql.page_of_subject(subject=subject, kind=kind, **wanted, size=limit + 1)
        elif kind is not None:
            rows = await sql.page_of_kinds(kind=kind, **wanted, size=limit + 1)
        else:
            rows = await sql.page(**wanted, size=limit + 1)
        return Page.cut([_entry(row) for row in rows], limit=limit, query=query, key=lambda row: [row.id])

    @operation(
        effect="read",
        scope="audit:read",
        mode="single",
        example={"event": "018f0000-0000-7000-8000-000000000000"},
    )
    async def get(self, *, event: Annotated[UUID, Field(description="Id of the event.")]) -> AuditEntry:
        """One write, with the fields that it changed."""
        row = await sql.one(id=event)
        if row is None:
            raise EntryNotFound(f"There is no event {event} in this tenant.", event=str(event))
        return _entry(row)


def _entry(row: AuditRow) -> AuditEntry:
    return AuditEntry(**row.model_dump(exclude={"changes"}), changes=rules.listed(row.changes))
