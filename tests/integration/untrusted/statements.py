"""Statements made at random: well-formed, nested, and now and then with something in them that may not be asked."""

import random
from collections.abc import Mapping, Sequence

__all__ = ["Maker"]

_HOSTILE_SOURCES = ("pg_class", "pg_catalog.pg_authid", "information_schema.tables", "tenants", "moothill.events", "q1")
_HOSTILE_VALUES = ("set_config('a', 'b', true)", "current_user", "'x'::regclass", "pg_sleep(0)", "mt.proved_tenant()")
_CALLS = ("lower({}::text)", "coalesce({}, null)", "to_jsonb({})", "count({})", "max({}::text)", "jsonb_agg({})")


class Maker:
    """Makes statements over some relations.

    Args:
        chance: where it takes its choices from.
        relations: columns of each relation.
        malice: how often something hostile stands where something plain could.
    """

    def __init__(self, chance: random.Random, relations: Mapping[str, Sequence[str]], *, malice: float) -> None:
        self._chance = chance
        self._relations = relations
        self._malice = malice

    def query(self, depth: int = 3) -> str:
        """A query."""
        kind = self._chance.random()
        if depth > 0 and kind < 0.15:
            word = self._chance.choice(("union", "union all", "intersect", "except"))
            return f"({self._select(depth - 1, width=1)}) {word} ({self._select(depth - 1, width=1)})"
        if depth > 0 and kind < 0.3:
            inner = self.query(depth - 1)
            return f"with w{depth} as ({inner}) select * from w{depth}, ({self._select(depth - 1)}) s{depth}"
        return self._select(depth)

    def _select(self, depth: int, *, width: int = 0) -> str:
        source, alias, columns = self._source(depth)
        values = [self._value(depth, alias, columns) for _ in range(width or self._chance.randrange(1, 4))]
        text = f"select {', '.join(values)} from {source}"
        if self._chance.random() < 0.4:
            text += f" where {self._condition(depth, alias, columns)}"
        if self._chance.random() < 0.3:
            text += f" order by 1 limit {self._chance.randrange(1, 9)}"
        return text

    def _source(self, depth: int) -> tuple[str, str, Sequence[str]]:
        alias = self._chance.choice("abcde")
        if self._chance.random() < self._malice:
            return f"{self._chance.choice(_HOSTILE_SOURCES)} {alias}", alias, ("name",)
        if depth > 0 and self._chance.random() < 0.25:
            return f"(select 1 as x, ({self._select(depth - 1, width=1)} limit 1) as y) {alias}", alias, ("x", "y")
        name = self._chance.choice(sorted(self._relations))
        joined = ""
        if self._chance.random() < 0.3:
            other = self._chance.choice(sorted(self._relations))
            joined = f" {self._chance.choice(('cross join', 'left join lateral'))} {other} {alias}2"
            joined += " on true" if "left" in joined else ""
            joined = joined.replace(f"lateral {other}", f"lateral (select * from {other})")
        return f"{name} {alias}{joined}", alias, self._relations[name]

    def _value(self, depth: int, alias: str, columns: Sequence[str]) -> str:
        kind = self._chance.random()
        if kind < self._malice:
            return self._chance.choice(_HOSTILE_VALUES)
        column = f"{alias}.{self._chance.choice(columns)}"
        if depth > 0 and kind < 0.2:
            return f"({self._select(depth - 1, width=1)} limit 1)"
        if kind < 0.35:
            return self._chance.choice(_CALLS).format(column)
        if kind < 0.45:
            return f"row_number() over (partition by {column} order by {alias}.{self._chance.choice(columns)})"
        if kind < 0.55:
            return f"case when {self._condition(0, alias, columns)} then {column} end"
        return column

    def _condition(self, depth: int, alias: str, columns: Sequence[str]) -> str:
        column = f"{alias}.{self._chance.choice(columns)}"
        if depth > 0 and self._chance.random() < 0.4:
            return f"exists ({self._select(depth - 1)})"
        return self._chance.choice(
            (
                f"{column} is not null",
                f"{column}::text like 'x%'",
                f"not ({column}::text = 'it''s \\')",
                "1 = 1 or true",
            )
        )
