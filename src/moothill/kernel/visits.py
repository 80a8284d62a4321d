"""Calls from outside of a tenant: a key that is used elsewhere than at home leaves its trace there."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

from .operation import Operation
from .paging import Page
from .tables import Table

if TYPE_CHECKING:
    from .context import Context

__all__ = ["Visits", "counted"]


class Visits(Protocol):
    """Writes down what a key does outside of its own tenant."""

    async def visited(
        self, call: "Context", operation: Operation[Any, Any], arguments: Mapping[str, Any], rows: int | None
    ) -> None:
        """Log one call where it was made; an error keeps the caller from the answer."""
        ...


def counted(result: Any) -> int:
    """How many rows a result gives out."""
    if isinstance(result, Page):
        return len(result.items)
    if isinstance(result, Table):
        return len(result.rows)
    hits = getattr(result, "hits", None)
    if isinstance(hits, list):
        return len(hits)
    if isinstance(result, list):
        return len(result)
    return int(result is not None)
