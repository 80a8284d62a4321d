"""The statements of privacy; its service, its plans and its accountant use them."""

from datetime import datetime

from pydantic import BaseModel

from ...database.queries import Many, Maybe, One, Queries
from .models import Asked, Contribution, LedgerRow, OwnBudget, PrivacySettings, ReleaseRow

__all__ = ["Counted", "Here", "sql"]


class Here(BaseModel):
    """Where the current tenant stands."""

    group: str
    epoch: str


class Counted(BaseModel):
    """Agents with a value in one column, and whether they were deactivated."""

    value: str
    live: bool
    agents: int


class Sql(Queries):
    """Statements of this subsystem."""

    settings: Maybe[PrivacySettings]
    settings_begin: Maybe[PrivacySettings]
    settings_change: Maybe[PrivacySettings]
    own_budget: One[OwnBudget]
    here: One[Here]
    charge: One[Asked]
    open_: One[bool]
    labels: Many[Contribution]
    success: Many[Contribution]
    close: One[datetime]
    release: One[ReleaseRow]
    releases: Many[ReleaseRow]
    ledgers: Many[LedgerRow]
    histogram: Many[Counted]


sql = Sql()
