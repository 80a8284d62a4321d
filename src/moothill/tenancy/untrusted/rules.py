"""Parameters and rows: what goes beside a statement, and what comes back as JSON."""

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from math import isfinite
from typing import Any

from ...kernel.errors import Invalid
from .models import SchemaRow, SqlColumn, SqlRelation

__all__ = ["kind_of", "kinds_of", "relations_of", "row_of", "sent"]

# Beyond this a double, which is all that JSON has to many, skips whole numbers.
_LARGEST_INTEGER = 2**53
_LONGEST_INTEGER = 18
_INTEGER, _BIGINT = 2**31, 2**63


class ParameterUnusable(Invalid):
    """A value of this form cannot be sent as a parameter."""


def kinds_of(parameters: Mapping[str, Any]) -> dict[str, str]:
    """The kind of each parameter.

    Raises:
        ParameterUnusable: one is of no kind that can be sent.
    """
    return {name: kind_of(name, value) for name, value in parameters.items()}


def kind_of(name: str, value: Any) -> str:
    """What a value is to the database: null, boolean, integer, bigint, numeric, text, list or json.

    Raises:
        ParameterUnusable: a list of lists, of objects, or of several kinds.
    """
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "integer" if -_INTEGER <= value < _INTEGER else "bigint" if -_BIGINT <= value < _BIGINT else "numeric"
    if isinstance(value, float):
        return "numeric"
    if isinstance(value, str):
        return "text"
    if isinstance(value, Mapping):
        return "json"
    plain = {bool: "boolean", int: "number", float: "number", str: "text"}
    members = {plain.get(type(item)) for item in value if item is not None}
    if None in members or len(members) > 1:
        raise ParameterUnusable(
            f"The parameter {name} is a list of several kinds of things; give texts, numbers or booleans only.",
            field=f"parameters.{name}",
        )
    return "list"


def sent(value: Any, kind: str) -> Any:
    """A parameter's value as the database takes it."""
    if kind == "json":
        return json.dumps(value)
    if kind in ("integer", "bigint", "numeric"):
        return repr(value)
    if kind == "boolean":
        return "true" if value else "false"
    return value


def relations_of(rows: Sequence[SchemaRow]) -> list[SqlRelation]:
    """Relations with their columns, from the catalog's list of columns."""
    found: dict[str, SqlRelation] = {}
    for row in rows:
        relation = found.setdefault(
            row.relation,
            SqlRelation(name=row.relation, kind=row.kind, comment=row.relation_comment, columns=[]),
        )
        relation.columns.append(SqlColumn(name=row.name, type=row.type, comment=row.comment))
    return list(found.values())


class _Members(list[tuple[str, Any]]):
    """The members of an object in their order, names that repeat included."""


def _integer(digits: str) -> int | str:
    # Their length first: a number of a hundred thousand digits is no number to calculate with.
    number = int(digits) if len(digits) < _LONGEST_INTEGER else _LARGEST_INTEGER
    return number if -_LARGEST_INTEGER < number < _LARGEST_INTEGER else digits


def _fraction(digits: str) -> float | str:
    number = float(digits)
    # The shortest digits of a double are its own; of a longer number some are lost.
    return number if isfinite(number) and Decimal(repr(number)) == Decimal(digits) else digits


_decoder = json.JSONDecoder(object_pairs_hook=_Members, parse_int=_integer, parse_float=_fraction)


def row_of(line: str) -> list[Any]:
    """The values of a row that the database wrote as a JSON object."""
    members = _decoder.decode(line)
    assert isinstance(members, _Members)
    return [_plain(value) for _, value in members]


def _plain(value: Any) -> Any:
    if isinstance(value, _Members):
        return {name: _plain(item) for name, item in value}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value
