"""What goes in and out of sharing."""

from datetime import datetime
from ipaddress import IPv4Address, IPv6Address
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from ...kernel.context import ActorKind
from ...kernel.events import EventPayload

__all__ = [
    "Access",
    "AccessKind",
    "AccessSummary",
    "DataClass",
    "Grant",
    "GrantId",
    "GrantInForce",
    "GrantReceived",
    "GrantRevoked",
    "IsolationLevel",
    "Level",
    "LevelChanged",
    "OwnerReference",
    "SharingGranted",
    "TenantId",
    "TenantStatistics",
]

Level = Literal["strict", "shared", "federated"]
DataClass = Literal["agents", "capabilities"]
AccessKind = Literal["read", "write", "aggregate", "federated"]
GrantId = Annotated[UUID, Field(description="Id of a grant.")]
TenantId = Annotated[
    UUID,
    Field(
        description="Id of the other tenant, as its own `sharing.level` shows it. Names are not asked for: whoever "
        "may grant could try out which exist."
    ),
]
OwnerReference = Annotated[
    str,
    Field(
        min_length=1,
        max_length=63,
        description="Slug or id of the tenant whose data it is; `sharing.received` shows those that share.",
        examples=["globex"],
    ),
]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True)


class IsolationLevel(_Frozen):
    """How far a tenant opens itself."""

    tenant: UUID = Field(description="Id of this tenant; others need it to share with you.")
    slug: str = Field(description="Its slug.")
    level: Level = Field(description="strict, shared or federated.")
    meaning: str = Field(description="What that means.")
    version: int = Field(description="Version of the tenant.")


class Grant(_Frozen):
    """What this tenant lets another one read."""

    id: UUID = Field(description="Id.")
    grantee: UUID = Field(description="The tenant that may read.")
    data_class: DataClass = Field(description="What it may read.")
    tag: str | None = Field(None, description="Only of agents with this tag; none: the whole class.")
    reason: str | None = Field(None, description="Why it was granted.")
    granted_by: UUID = Field(description="Who granted it.")
    granted_at: datetime = Field(description="When.")
    expires_at: datetime | None = Field(None, description="It holds until then.")
    revoked_at: datetime | None = Field(None, description="When it was revoked.")


class GrantInForce(_Frozen):
    """A grant by which the current tenant may read."""

    id: UUID = Field(description="Id.")
    owner_id: UUID = Field(description="Id of the tenant that shares.")
    owner_slug: str = Field(description="Its slug.")
    data_class: DataClass = Field(description="What may be read.")
    tag: str | None = Field(None, description="Only of agents with this tag; none: the whole class.")


class GrantReceived(_Frozen):
    """What another tenant lets this one read, right now."""

    id: UUID = Field(description="Id.")
    owner_id: UUID = Field(description="Id of the tenant that shares.")
    owner_slug: str = Field(description="Its slug.")
    owner_name: str = Field(description="Its name.")
    data_class: DataClass = Field(description="What may be read.")
    tag: str | None = Field(None, description="Only of agents with this tag; none: the whole class.")
    granted_at: datetime = Field(description="Since when.")
    expires_at: datetime | None = Field(None, description="Until when.")


class Access(_Frozen):
    """Somebody from another tenant read or wrote in this one."""

    id: UUID = Field(description="Id; rises with time.")
    accessor: UUID = Field(description="The tenant that the accessor belongs to.")
    kind: AccessKind = Field(description="read, write, aggregate or federated.")
    data_class: str = Field(description="What was accessed.")
    operation: str = Field(description="The operation that did it.")
    query_digest: str | None = Field(None, description="SHA-256 of operation and arguments, in hexadecimal.")
    rows: int | None = Field(None, description="Rows given out; none for a write.")
    actor: UUID = Field(description="Who.")
    actor_kind: ActorKind = Field(description="operator, agent, service or system.")
    actor_name: str = Field(description="Name of the actor at that time.")
    real_actor: UUID | None = Field(None, description="The operator behind a view as an agent.")
    address: IPv4Address | IPv6Address | None = Field(None, description="Network address, where a server saw one.")
    request: UUID | None = Field(None, description="Request id of the call.")
    accessed_at: datetime = Field(description="When.")


class AccessSummary(_Frozen):
    """What one tenant did in this one, of one kind: a row of the view `cross_tenant_access_summary`."""

    accessor: UUID = Field(description="The tenant that the accessors belong to.")
    kind: AccessKind = Field(description="read, write, aggregate or federated.")
    data_class: str = Field(description="What was accessed.")
    accesses: int = Field(ge=0, description="How often.")
    rows: int = Field(ge=0, description="Rows given out in all.")
    first_at: datetime = Field(description="The first of them.")
    last_at: datetime = Field(description="The last of them.")


class TenantStatistics(_Frozen):
    """How large this tenant is: the row of the view `tenant_statistics`."""

    tenant_id: UUID = Field(description="Id.")
    slug: str = Field(description="Slug.")
    name: str = Field(description="Name.")
    isolation_level: Level = Field(description="How far it opens itself.")
    agents: int = Field(ge=0, description="Agents that are not deactivated.")
    capabilities: int = Field(ge=0, description="Capabilities.")
    events: int = Field(ge=0, description="Entries of the log.")
    last_event_at: datetime | None = Field(None, description="The newest of them.")


class LevelChanged(EventPayload, kind="sharing.level_changed", beyond_quota=True):
    """A tenant opened or closed itself."""

    old: Level = Field(description="Level before.")
    new: Level = Field(description="Level after.")


class SharingGranted(EventPayload, kind="sharing.granted"):
    """A tenant lets another one read."""

    grantee: UUID = Field(description="The tenant that may read.")
    data_class: DataClass = Field(description="What it may read.")
    tag: str | None = Field(None, description="Only of agents with this tag.")
    expires_at: datetime | None = Field(None, description="It holds until then.")


class GrantRevoked(EventPayload, kind="sharing.revoked", beyond_quota=True):
    """A grant was revoked."""

    grantee: UUID = Field(description="The tenant that could read.")
    data_class: DataClass = Field(description="What it could read.")
