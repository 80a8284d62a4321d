"""The fields that an encrypting tenant has sealed, declared once.

A field is designated when it holds content and nothing filters, sorts, joins or searches by it. To add one: a line
here, `select mt.seals(...)` in the table's migration, and `-- seals: table.column` above each statement that reads or
writes it; a test finds the statements that lack the line.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

__all__ = ["OPEN_EVENTS", "SEALED", "SealedTable", "table_of"]

Kind = Literal["json", "text", "bytes"]

# Events whose payload statements write or read by themselves: counts and statuses. The database has the same list.
OPEN_EVENTS = frozenset({"agents.heartbeats", "agents.status_changed"})


@dataclass(frozen=True, slots=True)
class SealedTable:
    """A table with sealed columns.

    Attributes:
        name: in the schema `moothill`.
        columns: column -> what it holds.
        bound: columns that a seal is bound to, beside tenant and field: they tell the row and never change.
        order: the key without the tenant, column -> type: the order in which existing rows are gone over.
        batch: existing rows looked at in one step of a job.
        is_log: rows are append-only, so each seal carries a proof of what was logged.
        unreadable: after shredding, a read shows a marker, or is an error where a marker would be acted upon.
    """

    name: str
    columns: Mapping[str, Kind]
    bound: tuple[str, ...]
    order: Mapping[str, str] = field(default_factory=lambda: {"id": "uuid"})
    batch: int = 500
    is_log: bool = False
    unreadable: Literal["marker", "error"] = "marker"


SEALED: Mapping[str, SealedTable] = {
    table.name: table
    for table in (
        SealedTable("agents", {"config": "json", "metadata": "json"}, bound=("agent_id",)),
        # A card has up to a megabyte.
        SealedTable(
            "agent_cards",
            {"content": "bytes"},
            bound=("agent_id",),
            order={"agent_id": "uuid"},
            batch=10,
            unreadable="error",
        ),
        SealedTable("capabilities", {"metadata": "json"}, bound=("id",)),
        SealedTable("capability_evidence", {"sentence": "text"}, bound=("id",)),
        # Written over by its ends and type, whatever id the writer thought of.
        SealedTable(
            "agent_relationships",
            {"extraction_context": "text", "metadata": "json"},
            bound=("source_id", "target_id", "type"),
        ),
        SealedTable("jobs", {"arguments": "json", "cursor": "json"}, bound=("id",), batch=100, unreadable="error"),
        SealedTable(
            "idempotency_keys",
            {"result": "json"},
            bound=("actor", "operation", "key"),
            order={"actor": "uuid", "operation": "text", "key": "text"},
            batch=100,
            unreadable="error",
        ),
        SealedTable("search_sessions", {"query_text": "text"}, bound=("id",)),
        SealedTable("search_judged_queries", {"query_text": "text"}, bound=("id",)),
        SealedTable("tasks", {"description": "text", "payload": "json", "metadata": "json"}, bound=("id",)),
        SealedTable("task_outcomes", {"result": "json"}, bound=("id",)),
        SealedTable("task_attempts", {"error": "text"}, bound=("id",), order={"id": "uuid", "attempt": "integer"}),
        SealedTable("task_answers", {"answer": "json"}, bound=("id",), order={"task_id": "uuid", "id": "uuid"}),
        # What was done is acted upon: a marker in its place would be taken for it.
        SealedTable(
            "task_steps",
            {"result": "json"},
            bound=("task_id", "name"),
            order={"task_id": "uuid", "name": "text"},
            unreadable="error",
        ),
        SealedTable("task_progress", {"message": "text", "metadata": "json"}, bound=("id",)),
        SealedTable("events", {"payload": "json", "changes": "json"}, bound=("id",), is_log=True),
    )
}


def table_of(name: str) -> tuple[SealedTable, str]:
    """Table and column of `table.column`.

    Raises:
        ValueError: it is no designated field.
    """
    table, _, column = name.partition(".")
    if table not in SEALED or column not in SEALED[table].columns:
        known = ", ".join(f"{each.name}.{column}" for each in SEALED.values() for column in each.columns)
        raise ValueError(f"{name} is no sealed field; those are: {known}")
    return SEALED[table], column
