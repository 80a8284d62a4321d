"""The order of the log: places, and what has to wait for what."""

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

__all__ = ["BEGINNING", "END", "Place", "cursor_query", "lane", "next_look"]

_NIL = UUID(int=0)
_LAST = UUID(int=(1 << 128) - 1)
FIRST_LOOK = 0.02


class Place(NamedTuple):
    """A place in the log: life of the database, transaction, event."""

    incarnation: int
    txid: int
    id: UUID


BEGINNING = Place(0, 0, _NIL)
# The database keeps incarnation and transaction in one number, 15 and 48 bits of it.
END = Place((1 << 15) - 1, (1 << 48) - 1, _LAST)


def cursor_query(tenant: UUID) -> Sequence[object]:
    """What the cursors of a tenant's feed are bound to: the tenant alone, since every filter keeps the order."""
    return ["events", tenant]


def lane(subject: UUID | None, subjects: Sequence[UUID] | None) -> tuple[UUID, bool]:
    """In which order an event is handled: that of its subject, or, with several, that of its whole tenant.

    Events without a subject keep their order among themselves.
    """
    return subject or _NIL, bool(subjects)


def next_look(last: float, *, soon: bool, longest: float) -> float:
    """Seconds until the next look at a feed.

    What was written may lie above the horizon for as long as an older transaction runs, and nothing
    tells when that ends; so after a nudge or a find the looks come soon, then ever more rarely.
    """
    return min(FIRST_LOOK if soon else max(last * 2, FIRST_LOOK), longest)
