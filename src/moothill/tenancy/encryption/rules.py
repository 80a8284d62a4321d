"""The order in which existing content is gone over."""

from collections.abc import Sequence
from typing import Any

__all__ = ["advanced", "again", "beginning"]


def beginning(number: int | None, tables: Sequence[str]) -> dict[str, Any]:
    """The cursor of a rewriting that is about to start, for a tenant with this active key."""
    return {"number": number, "table": tables[0], "after": None, "until": None, "done": 0, "unreadable": 0, "before": 0}


def again(cursor: dict[str, Any], tables: Sequence[str], done: int) -> dict[str, Any] | None:
    """The cursor of one more going-over; None when the last one, which had rewritten so much in all, found nothing."""
    if done == cursor.get("before", 0):
        return None
    return {**beginning(cursor["number"], tables), "done": done, "before": done, "waits": False}


def advanced(
    cursor: dict[str, Any], tables: Sequence[str], after: list[str] | None, changed: int, unreadable: int
) -> dict[str, Any] | None:
    """The cursor behind a batch; None when the last table is through.

    Args:
        cursor: of the batch.
        tables: in their order.
        after: the last row of the batch; None: the table had none left.
        changed: values that the batch rewrote.
        unreadable: values that it had to leave.
    """
    moved = {
        **cursor,
        "after": after,
        "done": cursor["done"] + changed,
        "unreadable": cursor["unreadable"] + unreadable,
    }
    if after is not None:
        return moved
    place = tables.index(cursor["table"]) + 1
    return {**moved, "table": tables[place], "until": None} if place < len(tables) else None
