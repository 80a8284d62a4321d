"""Writing values: what stands in lists of columns, in conditions and in arguments.

A kind of node that has no entry here is refused, and so is a part of a node that its entry does not name.
Operators are written flat, in the order in which they stood, so that PostgreSQL's own precedence decides.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

from sqlglot import exp

from . import grammar
from .calls import Calls
from .errors import ParameterMissing, SqlRefused
from .names import folded, quoted, refuse_rest, refused

__all__ = ["Values"]

# What PostgreSQL takes for a number of the decimal system; the lexer of the parser knows others.
_NUMBER = re.compile(r"(\d{1,1000}(\.\d{0,1000})?|\.\d{1,1000})([eE][+-]?\d{1,4})?")

_OPERATORS: Mapping[type[exp.Expr], str] = {
    exp.Add: "+",
    exp.Sub: "-",
    exp.Mul: "*",
    exp.Div: "/",
    exp.Mod: "%",
    exp.EQ: "=",
    exp.NEQ: "<>",
    exp.GT: ">",
    exp.GTE: ">=",
    exp.LT: "<",
    exp.LTE: "<=",
    exp.And: "AND",
    exp.Or: "OR",
    exp.NullSafeEQ: "IS NOT DISTINCT FROM",
    exp.NullSafeNEQ: "IS DISTINCT FROM",
    exp.JSONExtract: "->",
    exp.JSONExtractScalar: "->>",
    exp.JSONBExtract: "#>",
    exp.JSONBExtractScalar: "#>>",
    exp.JSONBContains: "?",
    exp.JSONBContainsAnyTopKeys: "?|",
    exp.JSONBContainsAllTopKeys: "?&",
    exp.ArrayContainsAll: "@>",
    exp.ArrayContainedBy: "<@",
    exp.ArrayOverlaps: "&&",
    exp.Overlaps: "OVERLAPS",
    exp.BitwiseAnd: "&",
    exp.BitwiseOr: "|",
    exp.BitwiseXor: "#",
}
# As they are, and negated.
_MATCHES: Mapping[type[exp.Expr], tuple[str, str]] = {
    exp.Like: ("LIKE", "NOT LIKE"),
    exp.ILike: ("ILIKE", "NOT ILIKE"),
    exp.SimilarTo: ("SIMILAR TO", "NOT SIMILAR TO"),
    exp.RegexpLike: ("~", "!~"),
    exp.RegexpILike: ("~*", "!~*"),
}
_BARE: Mapping[type[exp.Expr], str] = {
    exp.Null: "NULL",
    exp.CurrentDate: "CURRENT_DATE",
    exp.CurrentTime: "CURRENT_TIME",
    exp.CurrentTimestamp: "CURRENT_TIMESTAMP",
    exp.Localtime: "LOCALTIME",
    exp.Localtimestamp: "LOCALTIMESTAMP",
}
# What a parameter is to the server, by the kind of its value; a text is what a quoted text would be.
_PARAMETER_TYPES = {
    "integer": "integer",
    "bigint": "bigint",
    "numeric": "numeric",
    "boolean": "boolean",
    "json": "jsonb",
}


class Values(Calls):
    """Writes values; the queries inside them are written by the class below.

    Args:
        kinds: kind of each parameter that was given, by name.
    """

    def __init__(self, kinds: Mapping[str, str]) -> None:
        super().__init__()
        self.kinds = kinds
        # Names of the parameters in the order of their numbers, and of all that the statement names.
        self.parameters: list[str] = []
        self.named: set[str] = set()

    def number(self, name: str) -> str:
        """The place of a parameter, such as `$2`."""
        if name not in self.parameters:
            self.parameters.append(name)
        return f"${self.parameters.index(name) + 1}"

    def value(self, node: Any) -> str:
        """A value.

        Raises:
            SqlRefused: it holds something that is not allowed.
        """
        kind = type(node)
        if (writer := _WRITERS.get(kind)) is not None:
            return writer(self, node)
        if (operator := _OPERATORS.get(kind)) is not None:
            refuse_rest(node, "this", "expression")
            return f"{self.value(node.this)} {operator} {self.value(node.expression)}"
        if kind in _MATCHES:
            return self._match(node, negated=False)
        if (word := _BARE.get(kind)) is not None:
            refuse_rest(node)
            return word
        raise refused(node)

    # --- literals and names

    def _literal(self, node: exp.Literal) -> str:
        text = str(node.this)
        if node.is_string:
            if "\x00" in text:
                raise SqlRefused.of("literal", "A text with a NUL", "cannot be stored", "leave it out")
            return "'" + text.replace("'", "''") + "'"
        if not _NUMBER.fullmatch(text):
            raise SqlRefused.of("literal", "This number", "is not read here", "write its digits")
        return text

    def _boolean(self, node: exp.Boolean) -> str:
        return "TRUE" if node.this else "FALSE"

    def _placeholder(self, node: exp.Placeholder) -> str:
        refuse_rest(node, "this")
        name = node.name
        if not name or name not in self.kinds:
            raise ParameterMissing(
                f"The statement names the parameter :{name[:63]}, which was not given; give it in `parameters`.",
                field="parameters",
            )
        self.named.add(name)
        if self.kinds[name] == "null":
            return "NULL"  # the server would ask for its type
        place = self.number(name)
        known = _PARAMETER_TYPES.get(self.kinds[name])
        return f"CAST({place} AS {known})" if known else place

    def _column(self, node: exp.Column) -> str:
        refuse_rest(node, "this", "table")
        if isinstance(node.this, exp.Star):
            raise refused(node.this)
        name = quoted(folded(node.this))
        table = node.args.get("table")
        return f"{quoted(folded(table))}.{name}" if table else name

    def _bracket(self, node: exp.Bracket) -> str:
        refuse_rest(node, "this", "expressions")
        inner = self.value(node.this)
        if not isinstance(node.this, exp.Column | exp.Bracket):
            inner = f"({inner})"
        (place,) = node.expressions
        if isinstance(place, exp.Slice):
            refuse_rest(place, "this", "expression")
            parts = (place.this, place.args.get("expression"))
            return f"{inner}[{':'.join('' if each is None else self.value(each) for each in parts)}]"
        return f"{inner}[{self.value(place)}]"

    # --- operators

    def _match(self, node: exp.Expr, *, negated: bool) -> str:
        refuse_rest(node, "this", "expression", "negate")
        plain, opposite = _MATCHES[type(node)]
        word = opposite if negated != bool(node.args.get("negate")) else plain
        return f"{self.value(node.this)} {word} {self.value(node.expression)}"

    def _not(self, node: exp.Not) -> str:
        refuse_rest(node, "this")
        inner = node.this
        if type(inner) in _MATCHES:
            return self._match(inner, negated=True)
        if isinstance(inner, exp.In):
            return self._in(inner, negated=True)
        if isinstance(inner, exp.Between):
            return self._between(inner, negated=True)
        return f"NOT {self.value(inner)}"

    def _sign(self, node: exp.Neg) -> str:
        # The blank keeps two of them from becoming a comment.
        refuse_rest(node, "this")
        return f"- {self.value(node.this)}"

    def _complement(self, node: exp.BitwiseNot) -> str:
        refuse_rest(node, "this")
        return f"~ {self.value(node.this)}"

    def _power(self, node: exp.Pow) -> str:
        refuse_rest(node, "this", "expression")
        return f"power({self.double(node.this)}, {self.double(node.expression)})"

    def _joined(self, node: exp.DPipe) -> str:
        refuse_rest(node, "this", "expression")
        self.growth.join(1)
        return f"{self.value(node.this)} || {self.value(node.expression)}"

    def _is(self, node: exp.Is) -> str:
        refuse_rest(node, "this", "expression", "negate")
        if not isinstance(node.expression, exp.Null | exp.Boolean):
            raise refused(node)
        word = "IS NOT" if node.args.get("negate") else "IS"
        return f"{self.value(node.this)} {word} {self.value(node.expression)}"

    def _escape(self, node: exp.Escape) -> str:
        refuse_rest(node, "this", "expression")
        if type(node.this) not in _MATCHES:
            raise refused(node)
        return f"{self.value(node.this)} ESCAPE {self.value(node.expression)}"

    def _between(self, node: exp.Between, *, negated: bool = False) -> str:
        refuse_rest(node, "this", "low", "high", "symmetric")
        word = "NOT BETWEEN" if negated else "BETWEEN"
        if node.args.get("symmetric"):
            word += " SYMMETRIC"
        return f"{self.value(node.this)} {word} {self.value(node.args['low'])} AND {self.value(node.args['high'])}"

    def _in(self, node: exp.In, *, negated: bool = False) -> str:
        refuse_rest(node, "this", "expressions", "query")
        word = "NOT IN" if negated else "IN"
        query = node.args.get("query")
        inner = self.value(query) if query is not None else f"({self.values(node.expressions)})"
        return f"{self.value(node.this)} {word} {inner}"

    def _quantified(self, node: exp.Any | exp.All) -> str:
        refuse_rest(node, "this")
        inner = self.value(node.this)
        if not inner.startswith("("):
            inner = f"({inner})"
        return f"{'ANY' if isinstance(node, exp.Any) else 'ALL'} {inner}"

    def _exists(self, node: exp.Exists) -> str:
        refuse_rest(node, "this")
        return f"EXISTS ({self.query(node.this)})"

    def _zone(self, node: exp.AtTimeZone) -> str:
        refuse_rest(node, "this", "zone")
        return f"{self.value(node.this)} AT TIME ZONE {self.value(node.args['zone'])}"

    def _paren(self, node: exp.Paren) -> str:
        refuse_rest(node, "this")
        return f"({self.value(node.this)})"

    def _tuple(self, node: exp.Tuple) -> str:
        refuse_rest(node, "expressions")
        self.growth.join(len(node.expressions))
        return f"({self.values(node.expressions)})"

    def _array(self, node: exp.Array) -> str:
        refuse_rest(node, "expressions")
        self.growth.join(len(node.expressions))
        return f"ARRAY[{self.values(node.expressions)}]"

    def _case(self, node: exp.Case) -> str:
        refuse_rest(node, "this", "ifs", "default")
        words = ["CASE"] if node.args.get("this") is None else ["CASE", self.value(node.this)]
        for branch in node.args["ifs"]:
            refuse_rest(branch, "this", "true")
            words += ["WHEN", self.value(branch.this), "THEN", self.value(branch.args["true"])]
        if node.args.get("default") is not None:
            words += ["ELSE", self.value(node.args["default"])]
        return " ".join([*words, "END"])

    def _inner_query(self, node: exp.Expr) -> str:
        return f"({self.query(node)})"

    # --- types

    def _cast(self, node: exp.Cast) -> str:
        refuse_rest(node, "this", "to")
        if not isinstance(node.this, exp.Literal | exp.Column | exp.Placeholder):
            # The text of an array or a document escapes quotes and backslashes.
            self.growth.double()
        return f"CAST({self.value(node.this)} AS {self._type(node.args['to'])})"

    def _type(self, node: Any) -> str:
        if not isinstance(node, exp.DataType) or node.this == exp.DType.USERDEFINED:
            raise self._type_refused(node)
        refuse_rest(node, "this", "expressions")
        inner = node.expressions
        if node.this == exp.DType.ARRAY and len(inner) == 1 and isinstance(inner[0], exp.DataType):
            return f"{self._type(inner[0])}[]"
        if isinstance(node.this, exp.Interval) and not node.this.args.get("unit"):
            return "interval"
        name = grammar.TYPES.get(node.this) if isinstance(node.this, exp.DType) else None
        if name is None or not all(isinstance(each, exp.DataTypeParam) for each in inner):
            raise self._type_refused(node)
        sizes = [each.this for each in inner]
        if not all(isinstance(size, exp.Literal) and str(size.this).isdigit() for size in sizes):
            raise self._type_refused(node)
        if not sizes:
            return name
        limits = ", ".join(str(size.this) for size in sizes)
        first, _, rest = name.partition(" ")
        return f"{first}({limits}) {rest}".rstrip()

    def _type_refused(self, node: Any) -> SqlRefused:
        kind = node.this if isinstance(node, exp.DataType) else None
        known = ", ".join(sorted({*grammar.TYPES.values()}))
        name = kind.value if isinstance(kind, exp.DType) else "This type"
        return SqlRefused.of("type", name, "is not among the types that may be named", f"cast to one of {known}")

    def _interval(self, node: exp.Interval) -> str:
        refuse_rest(node, "this", "unit", "fraction_in_string")
        unit = node.args.get("unit")
        if not (isinstance(node.this, exp.Literal) and node.this.is_string):
            raise SqlRefused.of(
                "construct", "An interval of a value", "is not read here", "multiply: 3 * interval '1 day'"
            )
        text = str(node.this.this)
        if unit is not None:
            if not isinstance(unit, exp.Var) or unit.name.upper() not in grammar.UNITS:
                raise SqlRefused.of(
                    "construct", "This unit of an interval", "is not known", "write '1 day' or the like"
                )
            text = f"{text} {unit.name.lower()}"
        return f"CAST({self._literal(exp.Literal.string(text))} AS interval)"


_WRITERS: Mapping[type[exp.Expr], Callable[[Values, Any], str]] = {
    exp.All: Values._quantified,
    exp.Anonymous: Values._call,
    exp.Any: Values._quantified,
    exp.Array: Values._array,
    exp.AtTimeZone: Values._zone,
    exp.Between: Values._between,
    exp.BitwiseNot: Values._complement,
    exp.Boolean: Values._boolean,
    exp.Bracket: Values._bracket,
    exp.Case: Values._case,
    exp.Cast: Values._cast,
    exp.Column: Values._column,
    exp.DPipe: Values._joined,
    exp.Escape: Values._escape,
    exp.Exists: Values._exists,
    exp.Extract: Values._extract,
    exp.Filter: Values._filter,
    exp.In: Values._in,
    exp.Interval: Values._interval,
    exp.Is: Values._is,
    exp.Literal: Values._literal,
    exp.Neg: Values._sign,
    exp.Not: Values._not,
    exp.Paren: Values._paren,
    exp.Placeholder: Values._placeholder,
    exp.Pow: Values._power,
    exp.Select: Values._inner_query,
    exp.Except: Values._inner_query,
    exp.Intersect: Values._inner_query,
    exp.StrPosition: Values._position,
    exp.Subquery: Values._inner_query,
    exp.Substring: Values._substring,
    exp.Trim: Values._trim,
    exp.Tuple: Values._tuple,
    exp.Union: Values._inner_query,
    exp.Values: Values._inner_query,
    exp.Window: Values._window,
    exp.WithinGroup: Values._within,
}
