"""Writing the statement that runs: every word of it comes from here, or is a name in quotes or a literal in quotes.

The text that somebody gave is never run, and no name in it is looked up by the server: a relation becomes a
query for its columns that may be seen, in the tenant; a common table gets a name of ours. So nothing that
the parser took for something else can reach the catalog.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlglot import exp

from ...database.untrusted import TENANT
from ...kernel.errors import near_match
from . import grammar
from .errors import ParameterMissing, SqlRefused
from .names import folded, quoted, refuse_rest, refused
from .reading import read
from .values import Values

__all__ = ["Checked", "check"]

SCHEMA = "moothill"
_MOST_RELATIONS = 12
_COMBINED: Mapping[type[exp.Expr], str] = {exp.Union: "UNION", exp.Intersect: "INTERSECT", exp.Except: "EXCEPT"}
_JOINS = {
    ("", "", ""): "JOIN",
    ("", "", "INNER"): "JOIN",
    ("", "", "CROSS"): "CROSS JOIN",
    ("", "LEFT", ""): "LEFT JOIN",
    ("", "LEFT", "OUTER"): "LEFT JOIN",
    ("", "RIGHT", ""): "RIGHT JOIN",
    ("", "RIGHT", "OUTER"): "RIGHT JOIN",
    ("", "FULL", ""): "FULL JOIN",
    ("", "FULL", "OUTER"): "FULL JOIN",
}
_QUERIES = (exp.Select, exp.Union, exp.Intersect, exp.Except, exp.Values, exp.Subquery)


@dataclass(frozen=True, slots=True)
class Checked:
    """A statement that may run.

    Attributes:
        text: in PostgreSQL's own form, with `$1`, `$2` and so on, and `TENANT` for the tenant.
        parameters: the name of each of them.
        relations: what it reads.
    """

    text: str
    parameters: tuple[str, ...]
    relations: frozenset[str]


def check(text: str, kinds: Mapping[str, str], relations: Mapping[str, Sequence[str]]) -> Checked:
    """The statement that may run instead of a text.

    Args:
        text: what somebody wrote.
        kinds: kind of each parameter that was given, by name.
        relations: columns of each relation that may be asked, by name.

    Raises:
        SqlRefused: with the construct, the rule and the way out.
        ParameterMissing: the text and the parameters do not fit.
    """
    tree = read(text)
    writer = _Writer(kinds, relations)
    try:
        written = writer.query(tree)
    except RecursionError:
        raise SqlRefused.of("size", "A statement this deep", "is not run", "name the inner queries with WITH") from None
    except (AttributeError, LookupError, TypeError, ValueError):
        # A tree of a shape that the writer does not know is no reason to fail, and none to go on.
        raise SqlRefused.of("construct", "A part of this statement", "is not known here", "write it plainly") from None
    if unused := sorted(kinds.keys() - writer.named):
        raise ParameterMissing(
            f"The statement does not name the parameter :{unused[0]}; leave it out of `parameters`.",
            field="parameters",
        )
    return Checked(written, tuple(writer.parameters), frozenset(writer.used))


class _Writer(Values):
    def __init__(self, kinds: Mapping[str, str], relations: Mapping[str, Sequence[str]]) -> None:
        super().__init__(kinds)
        self._relations = relations
        self.used: list[str] = []
        # Common tables in sight, the innermost last: what they were called, and what they are called here.
        self._tables: list[dict[str, str]] = [{}]
        self._named = 0

    # --- queries

    def query(self, node: exp.Expr) -> str:
        self.growth.enter()
        self._tables.append({})
        try:
            written = self._with(node) + self._body(node)
        finally:
            self._tables.pop()
        self.growth.leave()
        return written

    def _body(self, node: exp.Expr) -> str:
        if isinstance(node, exp.Select):
            return self._select(node)
        if type(node) in _COMBINED:
            return self._combined(node)
        if isinstance(node, exp.Values):
            refuse_rest(node, "expressions", "alias", "with_", "order", "limit", "offset")
            return self._rows(node) + self._ending(node)
        if isinstance(node, exp.Subquery):
            refuse_rest(node, "this", "alias", "with_", "order", "limit", "offset")
            if not isinstance(node.this, _QUERIES):
                raise refused(node.this)
            return f"({self.query(node.this)})" + self._ending(node)
        if not isinstance(node, exp.Query) or isinstance(node, exp.DML):
            raise SqlRefused.of(
                "one_query",
                _statement(node),
                "is not run here, where nothing is changed, set or explained",
                "give a single SELECT, WITH, VALUES or TABLE",
            )
        raise refused(node)

    def _with(self, node: exp.Expr) -> str:
        clause = node.args.get("with_")
        if clause is None:
            return ""
        if clause.args.get("recursive"):
            raise SqlRefused.of(
                "recursion", "WITH RECURSIVE", "has no bound, so it is not run", "join the levels that are needed"
            )
        refuse_rest(clause, "expressions")
        words = []
        for table in clause.expressions:
            refuse_rest(table, "this", "alias", "materialized")
            alias = table.args["alias"]
            refuse_rest(alias, "this", "columns")
            self._named += 1
            ours = f"q{self._named}"
            columns = f" ({self._names(alias.args['columns'])})" if alias.args.get("columns") else ""
            kept = {True: "MATERIALIZED ", False: "NOT MATERIALIZED ", None: ""}[table.args.get("materialized")]
            words.append(f"{quoted(ours)}{columns} AS {kept}({self.query(table.this)})")
            # Those that follow see it; it does not see itself.
            self._tables[-1][folded(alias.this)] = ours
        return f"WITH {', '.join(words)} "

    def _select(self, node: exp.Select) -> str:
        if node.args.get("into") is not None:
            raise SqlRefused.of("construct", "SELECT INTO", "would make a table", "take the rows from the answer")
        if node.args.get("locks"):
            raise SqlRefused.of("construct", "FOR UPDATE or FOR SHARE", "would lock rows", "leave it out")
        refuse_rest(
            node,
            *("with_", "distinct", "expressions", "from_", "joins", "where", "group", "having", "windows"),
            *("order", "limit", "offset"),
        )
        # FROM first: what it names is what the rest of the query is about.
        source = self._from(node)
        words = ["SELECT"]
        if (distinct := node.args.get("distinct")) is not None:
            refuse_rest(distinct, "on")
            on = distinct.args.get("on")
            if on is not None and not isinstance(on, exp.Tuple):
                raise refused(distinct)
            words.append("DISTINCT" if on is None else f"DISTINCT ON ({self.values(on.expressions)})")
        if not node.expressions:
            raise SqlRefused.of("construct", "A SELECT without columns", "answers nothing", "name a column")
        words.append(", ".join(self._projection(each) for each in node.expressions))
        if source:
            words.append(source)
        for part, keyword in (("where", "WHERE"), ("group", ""), ("having", "HAVING")):
            clause = node.args.get(part)
            if clause is None:
                continue
            if part == "group":
                words.append(self._group(clause))
                continue
            refuse_rest(clause, "this")
            words.append(f"{keyword} {self.value(clause.this)}")
        if node.args.get("windows"):
            words.append(f"WINDOW {', '.join(self._window_named(each) for each in node.args['windows'])}")
        return " ".join(word for word in words if word) + self._ending(node)

    def _group(self, node: exp.Group) -> str:
        if any(node.args.get(part) for part in ("grouping_sets", "cube", "rollup", "all", "totals")):
            raise SqlRefused.of(
                "construct",
                "Grouping in several ways at once",
                "is not run",
                "group by columns, and join with UNION ALL",
            )
        refuse_rest(node, "expressions")
        for each in node.expressions:
            if isinstance(each, exp.Cube | exp.Rollup | exp.GroupingSets):
                raise SqlRefused.of(
                    "construct",
                    "Grouping in several ways at once",
                    "is not run",
                    "group by columns, and join with UNION ALL",
                )
        return f"GROUP BY {self.values(node.expressions)}"

    def _window_named(self, node: exp.Window) -> str:
        refuse_rest(node, "this", "alias", "partition_by", "order", "spec")
        return f"{quoted(folded(node.this))} AS {self.window(node)}"

    def _projection(self, node: Any) -> str:
        if isinstance(node, exp.Alias):
            refuse_rest(node, "this", "alias")
            return f"{self.value(node.this)} AS {quoted(folded(node.args['alias']))}"
        if isinstance(node, exp.Star):
            refuse_rest(node)
            return "*"
        if isinstance(node, exp.Column) and isinstance(node.this, exp.Star):
            refuse_rest(node, "this", "table")
            refuse_rest(node.this)
            return f"{quoted(folded(node.args['table']))}.*"
        return self.value(node)

    def _combined(self, node: exp.Expr) -> str:
        refuse_rest(node, "with_", "this", "expression", "distinct", "order", "limit", "offset")
        word = _COMBINED[type(node)] + ("" if node.args.get("distinct") else " ALL")
        return f"({self.query(node.this)}) {word} ({self.query(node.expression)})" + self._ending(node)

    def _rows(self, node: exp.Values) -> str:
        return f"VALUES {', '.join(self._row(each) for each in node.expressions)}"

    def _row(self, node: Any) -> str:
        if not isinstance(node, exp.Tuple):
            raise refused(node)
        refuse_rest(node, "expressions")
        return f"({self.values(node.expressions)})"

    def _ending(self, node: exp.Expr) -> str:
        words = []
        if (order := node.args.get("order")) is not None:
            refuse_rest(order, "expressions")
            words.append(self.order(order))
        limit = node.args.get("limit")
        if isinstance(limit, exp.Fetch):
            refuse_rest(limit, "count", "direction", "limit_options")
            if (options := limit.args.get("limit_options")) is not None:
                refuse_rest(options, "rows")
            count = limit.args.get("count")
            words.append(f"LIMIT {'1' if count is None else self.value(count)}")
        elif limit is not None:
            refuse_rest(limit, "expression")
            words.append(f"LIMIT {self.value(limit.expression)}")
        if (offset := node.args.get("offset")) is not None:
            refuse_rest(offset, "expression")
            words.append(f"OFFSET {self.value(offset.expression)}")
        return "".join(f" {word}" for word in words)

    # --- what stands behind FROM

    def _from(self, node: exp.Select) -> str:
        clause = node.args.get("from_")
        if clause is None:
            return ""
        refuse_rest(clause, "this")
        return f"FROM {self._source(clause.this)}{self._joins(node.args.get('joins'))}"

    def _joins(self, joins: Sequence[exp.Join] | None) -> str:
        return "".join(self._join(each) for each in joins or ())

    def _join(self, node: exp.Join) -> str:
        refuse_rest(node, "this", "on", "using", "method", "side", "kind")
        how = (node.text("method").upper(), node.text("side").upper(), node.text("kind").upper())
        source = self._source(node.this)
        if (on := node.args.get("on")) is not None:
            condition = f" ON {self.value(on)}"
        elif node.args.get("using"):
            condition = f" USING ({self._names(node.args['using'])})"
        else:
            condition = ""
        if how == ("", "", "") and not condition:
            return f", {source}"
        words = _JOINS.get(("", *how[1:]))
        if words is None or how[0] not in ("", "NATURAL"):
            raise SqlRefused.of("construct", "This kind of join", "is not known", "use JOIN, LEFT JOIN or CROSS JOIN")
        return f" {'NATURAL ' if how[0] else ''}{words} {source}{condition}"

    def _source(self, node: Any) -> str:
        if isinstance(node, exp.Table):
            return self._table(node)
        if isinstance(node, exp.Subquery):
            refuse_rest(node, "this", "alias", "with_", "order", "limit", "offset")
            if isinstance(node.this, exp.Table):
                # Joins in parentheses.
                return f"({self._source(node.this)}){self._alias(node)}"
            return f"({self.query(_bare(node))}){self._alias(node)}"
        if isinstance(node, exp.Values):
            return f"({self.query(node)}){self._alias(node)}"
        if isinstance(node, exp.Unnest):
            return self._unnest(node)
        if isinstance(node, exp.Lateral):
            refuse_rest(node, "this", "alias", "ordinality")
            inner = node.this
            if isinstance(inner, exp.Subquery):
                return f"LATERAL ({self.query(_bare(inner))}){self._alias(node)}"
            if isinstance(inner, exp.Unnest):
                return f"LATERAL {self._unnest(inner, node)}"
            if isinstance(inner, exp.Anonymous):
                return f"LATERAL {self._set(inner)}{self._ordinality(node)}{self._alias(node)}"
            raise refused(node)
        raise refused(node)

    def _table(self, node: exp.Table) -> str:
        refuse_rest(node, "this", "db", "catalog", "alias", "joins", "ordinality")
        joins = self._joins(node.args.get("joins"))
        if isinstance(node.this, exp.Anonymous):
            if node.args.get("db") is not None:
                raise self._function_refused(f"{node.db}.{node.this.name}".lower())
            return f"{self._set(node.this)}{self._ordinality(node)}{self._alias(node)}{joins}"
        if node.args.get("ordinality") or not isinstance(node.this, exp.Identifier):
            raise refused(node)
        name = folded(node.this)
        schema = folded(node.args["db"]) if node.args.get("db") is not None else None
        if schema is None and node.args.get("catalog") is None:
            for tables in reversed(self._tables):
                if name in tables:
                    return f"{quoted(tables[name])}{self._alias(node, name)}{joins}"
        if schema not in (None, SCHEMA) or node.args.get("catalog") is not None or name not in self._relations:
            raise self._relation_refused(name, schema)
        return f"{self._relation(name)}{self._alias(node, name)}{joins}"

    def _relation(self, name: str) -> str:
        """What of a relation may be seen; the tenant's own rows, as row security says too."""
        self.used.append(name)
        if len(self.used) > _MOST_RELATIONS:
            raise SqlRefused.of(
                "size",
                "A statement that reads so many relations",
                f"is not run: {_MOST_RELATIONS} are allowed",
                "name what is used twice with WITH",
            )
        columns = ", ".join(quoted(column) for column in self._relations[name])
        place = f"{quoted(SCHEMA)}.{quoted(name)}"
        words = ["(SELECT", columns, "FROM", place, "WHERE", quoted("tenant_id"), "=", f"{TENANT})"]
        return " ".join(words)

    def _relation_refused(self, name: str, schema: str | None) -> SqlRefused:
        near = near_match(name, self._relations).strip() if schema in (None, SCHEMA) else ""
        way_out = f"{near[0].lower()}{near[1:]} `sql.schema` lists them all" if near else "`sql.schema` lists them"
        full = name if schema is None else f"{schema}.{name}"
        return SqlRefused.of("relation", full, "is not among the relations that may be asked", way_out)

    def _set(self, node: exp.Anonymous) -> str:
        name = node.name.lower()
        if name not in grammar.SETS:
            raise self._function_refused(name)
        return self.value(node)

    def _unnest(self, node: exp.Unnest, outer: exp.Expr | None = None) -> str:
        refuse_rest(node, "expressions", "alias", "offset")
        place = node.args.get("offset")
        ordinality = " WITH ORDINALITY" if place else ""
        alias = self._alias(outer if outer is not None and outer.args.get("alias") else node, more=place)
        return f"unnest({self.values(node.expressions)}){ordinality}{alias}"

    def _ordinality(self, node: exp.Expr) -> str:
        return " WITH ORDINALITY" if node.args.get("ordinality") else ""

    def _alias(self, node: exp.Expr, default: str = "", *, more: Any = None) -> str:
        alias = node.args.get("alias")
        if alias is None:
            return f" AS {quoted(default)}" if default else ""
        refuse_rest(alias, "this", "columns")
        names = [folded(each) for each in alias.args.get("columns") or ()]
        if isinstance(more, exp.Identifier):
            names.append(folded(more))
        columns = f" ({', '.join(quoted(each) for each in names)})" if names else ""
        return f" AS {quoted(folded(alias.this) if alias.args.get('this') is not None else default)}{columns}"

    def _names(self, nodes: Sequence[exp.Expr]) -> str:
        return ", ".join(quoted(folded(each)) for each in nodes)


def _statement(node: exp.Expr) -> str:
    """What a statement that is no query is called."""
    if isinstance(node, exp.Command):
        return node.name.upper()
    if isinstance(node, exp.DML | exp.DDL | exp.Copy | exp.Set | exp.Commit | exp.Rollback):
        return node.key.upper()
    return "TRUNCATE" if isinstance(node, exp.TruncateTable) else "This statement"


def _bare(node: exp.Subquery) -> exp.Expr:
    """The query inside of parentheses that add nothing but an alias."""
    plain = node.this
    if isinstance(plain, _QUERIES) and not any(node.args.get(part) for part in ("with_", "order", "limit", "offset")):
        return plain
    return node
