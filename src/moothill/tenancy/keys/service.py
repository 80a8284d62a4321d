"""Operations on API keys."""

import secrets
from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated
from uuid import UUID

from pydantic import Field

from ...database.queries import Many, Maybe, One, Queries
from ...kernel import Page, Service, context, operation
from ...kernel.authority import may_give
from ...kernel.context import KeyHolderKind
from ...kernel.errors import Invalid
from ...kernel.identifiers import uuid7
from ...kernel.operation import Plan
from ...kernel.paging import Cursor, PageSize, decode_cursor
from ...kernel.scopes import covers
from ...registry.agents.lookup import find_live_agent
from ..accounts.lookup import find_account
from . import leaks, rules
from .errors import KeyNotFound
from .models import ApiKey, Identity, IssuedKey, KeyEnded, KeyIssued, KeyName, Scopes

KeyId = Annotated[UUID, Field(description="Id of a key.")]
Lifetime = Annotated[
    timedelta | None,
    Field(gt=timedelta(0), le=timedelta(days=3650), description="The key expires after this time; none: never."),
]


class Sql(Queries):
    """Statements of this subsystem."""

    issue: One[ApiKey]
    live: Maybe[ApiKey]
    page: Many[ApiKey]
    end_: Maybe[ApiKey]


sql = Sql()


class Keys(Service, group="keys"):
    """API keys: issue, list, rotate, revoke; find and end those that leaked."""

    @operation(
        effect="write",
        scope="keys:write",
        audience="operator",
        example={"name": "nightly import", "scopes": ["agents:read", "agents:write"]},
    )
    async def create(
        self,
        *,
        name: KeyName,
        scopes: Scopes,
        agent: Annotated[
            str | None,
            Field(
                min_length=1,
                max_length=255,
                description="Agent that the key is for; none: an operator's key, or a service account's.",
            ),
        ] = None,
        account: Annotated[
            str | None,
            Field(min_length=1, max_length=255, description="Service account that the key is for, by name or id."),
        ] = None,
        expires_in: Lifetime = None,
    ) -> IssuedKey:
        """Issue a key; its secret is shown this once."""
        may_give(scopes)
        if agent is not None and account is not None:
            raise Invalid("A key belongs to an agent or to a service account; name one of them.", field="account")
        new_id = uuid7()
        kind: KeyHolderKind
        if account is not None:
            holder = await find_account(account, live=True)
            kind, actor_id, actor_name = "service", holder.id, holder.name
            if beyond := [scope for scope in scopes if not covers(frozenset(holder.scopes), scope)]:
                raise Invalid(
                    f"Service account {holder.name!r} may not hold {beyond[0]}; `accounts.update` says what it may.",
                    field="scopes",
                    scope=beyond[0],
                )
        elif agent is None:
            kind, actor_id, actor_name = "operator", new_id, name
        else:
            found = await find_live_agent(agent)
            kind, actor_id, actor_name = "agent", found.id, found.name
            if "*" in scopes or any(scope.startswith("platform:") for scope in scopes):
                raise Invalid("An agent's key takes named scopes, not `*` and none of the platform.", field="scopes")
        return await self._issue(new_id, name, kind, actor_id, actor_name, list(scopes), expires_in)

    @operation(effect="read", scope="keys:read", audience="operator", example={"limit": 10})
    async def list(
        self,
        *,
        ended: Annotated[bool, Field(description="Also those that expired or were revoked.")] = False,
        limit: PageSize = 50,
        cursor: Cursor = None,
    ) -> Page[ApiKey]:
        """Keys of this tenant, oldest first; never their secrets."""
        query = ["keys.list", context().tenant, ended]
        place = decode_cursor(query, cursor, parts=(UUID,))
        rows = await sql.page(after=place[0] if place else None, ended=ended, size=limit + 1)
        return Page.cut(rows, limit=limit, query=query, key=lambda row: [row.id])

    @operation(
        effect="write",
        scope="keys:write",
        audience="operator",
        example={"key": "018f0000-0000-7000-8000-000000000000", "grace": "PT1H"},
    )
    async def rotate(
        self,
        *,
        key: KeyId,
        grace: Annotated[
            timedelta,
            Field(ge=timedelta(0), le=timedelta(days=30), description="How long the old key still works."),
        ] = timedelta(hours=1),
    ) -> IssuedKey:
        """Issue a successor with the same scopes; the old key works until the grace time is over."""
        old = await sql.live(id=key)
        if old is None:
            raise _unknown(key)
        may_give(old.scopes)
        successor = uuid7()
        ended = await sql.end_(id=key, grace=grace, successor=successor)
        if ended is None:
            raise _unknown(key)
        event = KeyEnded(name=old.name, replaced_by=successor)
        was = ended.model_copy(update={"expires_at": old.expires_at, "replaced_by": None})
        context().record(event, subject=old.id, before=was, after=ended)
        lifetime = old.expires_at - old.created_at if old.expires_at else None
        return await self._issue(
            successor, old.name, old.actor_kind, old.actor_id, old.actor_name, old.scopes, lifetime
        )

    @operation(
        effect="destroy",
        scope="keys:write",
        audience="operator",
        example={"key": "018f0000-0000-7000-8000-000000000000"},
    )
    async def revoke(self, *, key: KeyId) -> ApiKey:
        """Revoke a key at once."""
        ended = await sql.end_(id=key, grace=None, successor=None)
        if ended is None:
            raise _unknown(key)
        was = ended.model_copy(update={"revoked_at": None})
        context().record(KeyEnded(name=ended.name), subject=ended.id, before=was, after=ended)
        return ended

    @revoke.plan
    async def _plan_revoke(self, *, key: UUID) -> Plan:
        return Plan(summary=f"Key {key} would be refused from now on.", counts={"keys": 1})

    revoke_all = leaks.revoke_all
    find_leaked = leaks.find_leaked

    @operation(effect="read", scope="keys:self", mode="none", audience="agent", example={})
    async def current(self) -> Identity:
        """Who you are: tenant, actor and scopes of the key in use."""
        principal = context().principal
        return Identity(
            tenant=principal.tenant,
            tenant_slug=principal.tenant_slug,
            actor_kind=principal.actor.kind,
            actor_id=principal.actor.id,
            actor_name=principal.actor.name,
            scopes=sorted(principal.scopes),
            real_actor_name=principal.real_actor.name if principal.real_actor else None,
        )

    async def _issue(
        self,
        new_id: UUID,
        name: str,
        kind: KeyHolderKind,
        actor_id: UUID,
        actor_name: str,
        scopes: Sequence[str],
        lifetime: timedelta | None,
    ) -> IssuedKey:
        secret = rules.make_secret(secrets.token_bytes(rules.RANDOM_BYTES))
        key = await sql.issue(
            id=new_id,
            name=name,
            digest=rules.digest(secret),
            hint=rules.hint(secret),
            actor_kind=kind,
            actor_id=actor_id,
            actor_name=actor_name,
            scopes=list(scopes),
            lifetime=lifetime,
            # A key does not outlive the one that issued it.
            latest=context().principal.key_expires_at,
        )
        context().record(KeyIssued(name=name, actor_kind=kind, scopes=list(scopes)), subject=key.id, after=key)
        return IssuedKey(key=key, secret=secret)


def _unknown(key: UUID) -> KeyNotFound:
    return KeyNotFound(f"There is no live key {key} in this tenant; `keys.list` shows them.", key=str(key))
