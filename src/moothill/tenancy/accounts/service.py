"""Operations on service accounts."""

from collections.abc import Iterable, Sequence
from typing import Annotated
from uuid import UUID

from pydantic import Field

from ...database.queries import Many, Maybe, One, Queries
from ...kernel import Page, Service, context, operation
from ...kernel.authority import may_give
from ...kernel.errors import Invalid
from ...kernel.identifiers import NOBODY, uuid7
from ...kernel.operation import Plan
from ...kernel.paging import Cursor, PageSize, decode_cursor
from .errors import AccountChanged, AccountGone
from .lookup import find_account
from .models import (
    AccountChanges,
    AccountDeactivated,
    AccountName,
    AccountReference,
    AccountRegistered,
    AccountUpdated,
    Ceiling,
    Description,
    ServiceAccount,
)

__all__ = ["Accounts"]


class Sql(Queries):
    """Statements of this subsystem."""

    fragments = ("columns.sql",)

    register: One[ServiceAccount]
    page: Many[ServiceAccount]
    update: Maybe[ServiceAccount]
    deactivate: Maybe[ServiceAccount]
    revoke_keys: Many[UUID]
    count_keys: One[int]


sql = Sql()


class Accounts(Service, group="accounts"):
    """Service accounts: programs that act in a tenant by themselves, with keys of their own."""

    @operation(
        effect="write",
        scope="accounts:write",
        audience="operator",
        example={"name": "nightly-import", "scopes": ["agents:read", "agents:write"]},
    )
    async def register(
        self,
        *,
        name: AccountName,
        scopes: Ceiling,
        description: Description = "",
    ) -> ServiceAccount:
        """Register a service account; `keys.create` with its name gives it a key.

        Raises:
            AccountExists: one of this name is in use.
            ScopeNotHeld: a scope that the caller does not hold.
        """
        may_give(scopes)
        actor = context().actor
        made = await sql.register(
            id=uuid7(),
            name=name,
            description=description,
            scopes=_once(scopes),
            made_by=actor.id,
            made_by_name=actor.name,
        )
        context().record(AccountRegistered(name=made.name, scopes=made.scopes), subject=made.id, after=made)
        return made

    @operation(effect="read", scope="accounts:read", audience="operator", example={"account": "catalogue-sync"})
    async def get(self, *, account: AccountReference) -> ServiceAccount:
        """One service account by name or id, deactivated or not."""
        return await find_account(account)

    @operation(effect="read", scope="accounts:read", audience="operator", example={"limit": 10})
    async def list(
        self,
        *,
        deactivated: Annotated[bool, Field(description="Also those that were deactivated.")] = False,
        limit: PageSize = 50,
        cursor: Cursor = None,
    ) -> Page[ServiceAccount]:
        """Service accounts of this tenant, oldest first."""
        query = ["accounts.list", context().tenant, deactivated]
        (after,) = decode_cursor(query, cursor, parts=(UUID,)) or [NOBODY]
        rows = await sql.page(after=after, deactivated=deactivated, size=limit + 1)
        return Page.cut(rows, limit=limit, query=query, key=lambda row: [row.id])

    @operation(
        effect="write",
        scope="accounts:write",
        audience="operator",
        example={"account": "catalogue-sync", "version": 1, "changes": {"scopes": ["agents:read"]}},
    )
    async def update(
        self,
        *,
        account: AccountReference,
        version: Annotated[int, Field(ge=1, description="The version that was read.")],
        changes: Annotated[AccountChanges, Field(description="What to change; what is not given stays.")],
    ) -> ServiceAccount:
        """Change a service account; fewer scopes bind the keys that it has at once.

        Raises:
            AccountChanged: somebody changed it since it was read.
            ScopeNotHeld: a scope that the caller does not hold.
        """
        if not changes.model_fields_set:
            raise Invalid("Nothing is to be changed; give a name, a description or scopes.", field="changes")
        found = await find_account(account, live=True)
        if changes.scopes is not None:
            may_give(each for each in changes.scopes if each not in found.scopes)
        scopes = None if changes.scopes is None else _once(changes.scopes)
        changed = await sql.update(
            id=found.id, version=version, name=changes.name, description=changes.description, scopes=scopes
        )
        if changed is None:
            raise AccountChanged(
                f"Service account {found.name!r} is at version {found.version}, not {version}; read it again.",
                version=found.version,
            )
        event = AccountUpdated(name=changed.name, scopes=changed.scopes)
        context().record(event, subject=changed.id, before=found, after=changed)
        return changed

    @operation(effect="destroy", scope="accounts:write", audience="operator", example={"account": "catalogue-sync"})
    async def deactivate(self, *, account: AccountReference) -> ServiceAccount:
        """Deactivate a service account for good and revoke all its keys, at once."""
        found = await find_account(account, live=True)
        ended = await sql.deactivate(id=found.id)
        if ended is None:
            raise AccountGone(f"Service account {found.name!r} was deactivated already.")
        keys = await sql.revoke_keys(id=found.id)
        event = AccountDeactivated(name=ended.name, keys=len(keys))
        context().record(event, subject=ended.id, subjects=keys, before=found, after=ended)
        return ended

    @deactivate.plan
    async def _plan_deactivate(self, *, account: str) -> Plan:
        found = await find_account(account, live=True)
        keys = await sql.count_keys(id=found.id)
        return Plan(
            summary=f"Service account {found.name} would be deactivated for good, and its {keys} live keys revoked.",
            counts={"accounts": 1, "keys": keys},
        )


def _once(scopes: Iterable[str]) -> Sequence[str]:
    return [*dict.fromkeys(scopes)]
