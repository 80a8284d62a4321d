"""Finding the service account that a reference names; keys find them through this too."""

from ...database.queries import Maybe, Queries
from .errors import AccountGone, AccountNotFound
from .models import ServiceAccount

__all__ = ["find_account"]


class Sql(Queries):
    """The statement that finds service accounts."""

    file = "lookup.sql"
    fragments = ("columns.sql",)

    match: Maybe[ServiceAccount]


sql = Sql()


async def find_account(reference: str, *, live: bool = False) -> ServiceAccount:
    """The service account of a name or id.

    Raises:
        AccountNotFound: there is none here.
        AccountGone: `live` is asked for, and it was deactivated.
    """
    found = await sql.match(reference=reference)
    if found is None:
        raise AccountNotFound(
            f"There is no service account {reference!r} here; `accounts.list` shows those that exist."
        )
    if live and found.deactivated_at is not None:
        raise AccountGone(f"Service account {found.name!r} was deactivated and does not come back; register another.")
    return found
