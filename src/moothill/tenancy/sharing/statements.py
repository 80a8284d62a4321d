"""The statements of sharing; its service and its log use them."""

from uuid import UUID

from pydantic import BaseModel

from ...database.queries import Many, Maybe, One, Queries, Run
from . import errors  # noqa: F401  # the statements name them
from .models import Access, AccessSummary, Grant, GrantInForce, GrantReceived, Level, TenantStatistics

__all__ = ["Own", "sql"]


class Own(BaseModel):
    """The current tenant, as far as sharing needs it."""

    tenant: UUID
    slug: str
    level: Level
    version: int


class Sql(Queries):
    """Statements of this subsystem."""

    own: One[Own]
    set_level: Maybe[Own]
    known: One[bool]
    retire: Run
    grant: One[Grant]
    one: Maybe[Grant]
    holds: One[bool]
    revoke: Maybe[Grant]
    page: Many[Grant]
    received: Many[GrantReceived]
    in_force: Maybe[GrantInForce]
    accesses: Many[Access]
    summary: Many[AccessSummary]
    statistics: One[TenantStatistics]
    log_access: Run
    log_shared: Maybe[UUID]


sql = Sql()
