"""Writing calls: functions by their names, aggregates, windows, and what stands between their parentheses."""

from collections.abc import Sequence
from typing import Any

from sqlglot import exp

from ...kernel.errors import near_match
from . import grammar
from .errors import SqlRefused
from .growth import Growth
from .names import folded, quoted, refuse_rest, refused

__all__ = ["Calls"]

_LONGEST_DELIMITER = 8


class Calls:
    """Writes calls; the values in them are written by the class below."""

    def __init__(self) -> None:
        self.growth = Growth()

    def query(self, node: exp.Expr) -> str:
        """A query, without parentheses."""
        raise NotImplementedError

    def value(self, node: Any) -> str:
        """A value."""
        raise NotImplementedError

    def values(self, nodes: Sequence[Any] | None) -> str:
        """Several values, between commas."""
        return ", ".join(self.value(node) for node in nodes or ())

    def double(self, node: Any) -> str:
        """A value as a floating number."""
        return f"CAST({self.value(node)} AS double precision)"

    def _call(self, node: exp.Anonymous) -> str:
        refuse_rest(node, "this", "expressions")
        if not isinstance(node.this, str):
            raise self._function_refused(folded(node.this))
        name = node.this.lower()
        arguments = node.expressions
        if name in ("array", "exists") and len(arguments) == 1 and isinstance(arguments[0], exp.Query):
            if name == "array":
                self.growth.gather()
            return f"{name.upper()}({self.query(arguments[0])})"
        if name in ("all", "some") and len(arguments) == 1:
            return f"{name.upper()} ({self.value(arguments[0])})"
        if name not in grammar.FUNCTIONS:
            raise self._function_refused(name)
        self._grow(name, arguments)
        if name == "replace":
            _check_replace(arguments)
        if name == "array_to_string":
            _check_delimiter(arguments)
        if name in grammar.DOUBLE:
            return f"{name}({', '.join(self.double(each) for each in arguments)})"
        if name == "count" and len(arguments) == 1 and isinstance(arguments[0], exp.Star):
            refuse_rest(arguments[0])
            return "count(*)"
        return f"{name}({', '.join(self._argument(each) for each in arguments)})"

    def _grow(self, name: str, arguments: Sequence[Any]) -> None:
        if name in grammar.BUILDING:
            self.growth.join(len(arguments))
        if name in grammar.GATHERING:
            self.growth.gather()
        if name in grammar.ESCAPING:
            self.growth.double(2)
        if name == "array_to_string":
            self.growth.double(3)

    def _argument(self, node: Any) -> str:
        if isinstance(node, exp.Order):
            refuse_rest(node, "this", "expressions")
            return f"{self._argument(node.this)} {self.order(node)}"
        if isinstance(node, exp.Distinct):
            refuse_rest(node, "expressions")
            return f"DISTINCT {self.values(node.expressions)}"
        if isinstance(node, exp.Kwarg):
            refuse_rest(node, "this", "expression")
            return f"{quoted(folded(node.name))} => {self.value(node.expression)}"
        return self.value(node)

    def _function_refused(self, name: str) -> SqlRefused:
        way_out = grammar.WAYS_OUT.get(name)
        if way_out is None:
            near = near_match(name, grammar.FUNCTIONS).strip().removesuffix("?")
            way_out = (
                f"{near[0].lower()}{near[1:]}" if near else "use the usual ones for numbers, texts, times and JSON"
            )
        return SqlRefused.of("function", name, "is not among the functions that may be called", way_out)

    def _extract(self, node: exp.Extract) -> str:
        refuse_rest(node, "this", "expression")
        unit = node.this.name.upper()
        if unit not in grammar.UNITS:
            raise SqlRefused.of("construct", "This part of a moment", "is not known", "write extract(year from ...)")
        return f"EXTRACT({unit} FROM {self.value(node.expression)})"

    def _position(self, node: exp.StrPosition) -> str:
        refuse_rest(node, "this", "substr")
        return f"strpos({self.value(node.this)}, {self.value(node.args['substr'])})"

    def _substring(self, node: exp.Substring) -> str:
        refuse_rest(node, "this", "start", "length")
        parts = [node.this, node.args.get("start"), node.args.get("length")]
        return f"substring({', '.join(self.value(each) for each in parts if each is not None)})"

    def _trim(self, node: exp.Trim) -> str:
        refuse_rest(node, "this", "expression", "position")
        side = str(node.args.get("position") or "BOTH").upper()
        name = {"BOTH": "btrim", "LEADING": "ltrim", "TRAILING": "rtrim"}.get(side)
        if name is None:
            raise refused(node)
        parts = [node.this, node.args.get("expression")]
        return f"{name}({', '.join(self.value(each) for each in parts if each is not None)})"

    # --- aggregates and windows

    def order(self, node: exp.Order) -> str:
        """An ORDER BY, with the place of nulls said."""
        words = []
        for each in node.expressions:
            if not isinstance(each, exp.Ordered):
                raise refused(each)
            refuse_rest(each, "this", "desc", "nulls_first")
            direction = "DESC" if each.args.get("desc") else "ASC"
            nulls = "FIRST" if each.args.get("nulls_first") else "LAST"
            words.append(f"{self.value(each.this)} {direction} NULLS {nulls}")
        return f"ORDER BY {', '.join(words)}"

    def _filter(self, node: exp.Filter) -> str:
        refuse_rest(node, "this", "expression")
        where = node.expression
        if not isinstance(where, exp.Where):
            raise refused(node)
        refuse_rest(where, "this")
        return f"{self.value(node.this)} FILTER (WHERE {self.value(where.this)})"

    def _within(self, node: exp.WithinGroup) -> str:
        refuse_rest(node, "this", "expression")
        order = node.expression
        if not isinstance(order, exp.Order):
            raise refused(node)
        refuse_rest(order, "expressions")
        return f"{self.value(node.this)} WITHIN GROUP ({self.order(order)})"

    def _window(self, node: exp.Window) -> str:
        refuse_rest(node, "this", "over", "alias", "partition_by", "order", "spec")
        if str(node.args.get("over") or "OVER").upper() != "OVER":
            raise refused(node)
        return f"{self.value(node.this)} OVER {self.window(node)}"

    def window(self, node: exp.Window) -> str:
        """What stands behind OVER, or behind the name of a window."""
        words = []
        if (alias := node.args.get("alias")) is not None:
            name = quoted(folded(alias))
            if not (node.args.get("partition_by") or node.args.get("order") or node.args.get("spec")):
                return name
            words.append(name)
        if node.args.get("partition_by"):
            words.append(f"PARTITION BY {self.values(node.args['partition_by'])}")
        if (order := node.args.get("order")) is not None:
            refuse_rest(order, "expressions")
            words.append(self.order(order))
        if (spec := node.args.get("spec")) is not None:
            words.append(self._frame(spec))
        return f"({' '.join(words)})"

    def _frame(self, node: exp.WindowSpec) -> str:
        refuse_rest(node, "kind", "start", "start_side", "end", "end_side")
        kind = str(node.args.get("kind")).upper()
        if kind not in ("ROWS", "RANGE", "GROUPS"):
            raise refused(node)
        start = self._bound(node, "start")
        if node.args.get("end") is None:
            return f"{kind} {start}"
        return f"{kind} BETWEEN {start} AND {self._bound(node, 'end')}"

    def _bound(self, node: exp.WindowSpec, which: str) -> str:
        place, side = node.args.get(which), str(node.args.get(f"{which}_side") or "").upper()
        if isinstance(place, str):
            word = place.upper()
            if word == "CURRENT ROW":
                return word
            if word == "UNBOUNDED" and side in ("PRECEDING", "FOLLOWING"):
                return f"{word} {side}"
        elif side in ("PRECEDING", "FOLLOWING"):
            return f"{self.value(place)} {side}"
        raise refused(node)


def _check_replace(arguments: Sequence[Any]) -> None:
    """Texts that are put in for shorter ones, again and again, fill the memory of the server."""
    if len(arguments) == 3:
        old, new = arguments[1:]
        if isinstance(old, exp.Literal) and isinstance(new, exp.Literal) and len(str(new.this)) <= len(str(old.this)):
            return
    raise SqlRefused.of(
        "function",
        "replace",
        "may not make a text longer",
        "give literals, the second text no longer than the first, or use translate",
    )


def _check_delimiter(arguments: Sequence[Any]) -> None:
    """A long one between the characters of a text makes a page out of a line."""
    if len(arguments) == 2:
        delimiter = arguments[1]
        if isinstance(delimiter, exp.Literal) and len(str(delimiter.this)) <= _LONGEST_DELIMITER:
            return
    raise SqlRefused.of(
        "function",
        "array_to_string",
        f"takes a literal of at most {_LONGEST_DELIMITER} characters between the elements",
        "shorten it",
    )
