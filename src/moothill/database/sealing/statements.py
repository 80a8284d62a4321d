"""Between the named queries and the wire: parameters are sealed on their way in, rows opened on their way out.

A statement says `-- seals: agents.config, agents.metadata`. Then a parameter of the column's name is sealed, and so is
the column of each element of the parameter `rows` (a JSON text); a column of that name in its result is opened.
"""

import base64
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import orjson

from ...kernel.errors import Internal
from .envelope import TRACES, WORD
from .fields import SealedTable, table_of
from .keys import TenantKeys

__all__ = ["open_rows", "seal_parameters"]

Fields = tuple[tuple[SealedTable, str], ...]


@lru_cache(maxsize=512)
def _fields(seals: tuple[str, ...]) -> Fields:
    return tuple(table_of(each) for each in seals)


def seal_parameters(keys: TenantKeys, seals: tuple[str, ...], parameters: Mapping[str, Any]) -> Mapping[str, Any]:
    """Parameters as they may be stored; those given are left as they are."""
    changed: dict[str, Any] = {}
    for table, column in _fields(seals):
        value = parameters.get(column)
        if value is not None:
            plain = value if isinstance(value, bytes) else value.encode() if isinstance(value, str) else _json(value)
            changed[column] = keys.stored(table, column, _row(table, parameters), plain)
    rows = parameters.get("rows")
    if isinstance(rows, str) and (keys.active is not None or any(trace in rows for trace in TRACES)):
        items = orjson.loads(rows)
        for table, column in _fields(seals):
            for item in items:
                _seal_item(keys, table, column, item)
        changed["rows"] = _json(items).decode()
    return {**parameters, **changed} if changed else parameters


def open_rows(keys: TenantKeys, seals: tuple[str, ...], rows: Sequence[Any]) -> None:
    """Put what is sealed in rows as it was, in place."""
    for table, column in _fields(seals):
        for row in rows:
            value = row.get(column)
            if value is not None and _may_be_sealed(value):
                shown = keys.shown(table, column, _Lazy(table, row), value)
                if shown is not value:
                    row[column] = shown


def _may_be_sealed(value: Any) -> bool:
    """Nearly every value is a plain one, and its first look tells so."""
    kind = type(value)
    return WORD in value if kind is dict else value.startswith(WORD) if kind is str else True


def _seal_item(keys: TenantKeys, table: SealedTable, column: str, item: dict[str, Any]) -> None:
    value = item.get(column)
    if value is None:
        return
    row = _row(table, item)
    match table.columns[column]:
        case "json":
            item[column] = orjson.loads(keys.stored(table, column, row, _json(value)))
        case "text":
            item[column] = keys.stored(table, column, row, value.encode())
        case "bytes":
            stored = keys.stored(table, column, row, base64.b64decode(value))
            assert isinstance(stored, bytes)
            item[column] = base64.b64encode(stored).decode()


def _row(table: SealedTable, values: Mapping[str, Any]) -> list[Any]:
    try:
        return [values[name] for name in table.bound]
    except KeyError as error:
        raise Internal(
            f"A statement that seals {table.name} lacks {error.args[0]}, which the seal is bound to."
        ) from None


class _Lazy(Sequence[Any]):
    """What a seal is bound to, looked up only for a value that is sealed."""

    __slots__ = ("_row", "_table")

    def __init__(self, table: SealedTable, row: Mapping[str, Any]) -> None:
        self._table = table
        self._row = row

    def __len__(self) -> int:
        return len(self._table.bound)

    def __getitem__(self, index: Any) -> Any:
        return _row(self._table, self._row)[index]


def _json(value: Any) -> bytes:
    return orjson.dumps(value, default=str)
