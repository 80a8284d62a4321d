"""What the catalog says is there to attack: tables, partitions, views, references, functions.

Nothing is listed by hand, so what a migration adds is attacked from its first day on.
"""

from dataclasses import dataclass, field, replace
from typing import Any, Literal

import psycopg

__all__ = ["Catalog", "Function", "Reference", "Relation", "read_catalog"]

Verb = Literal["select", "insert", "update", "delete", "truncate"]
VERBS: tuple[Verb, ...] = ("select", "insert", "update", "delete", "truncate")
SERVING = ("moothill_app", "moothill_readonly", "moothill_auditor")

_RELATIONS = """
select c.relname::text, c.relkind::text, c.relispartition, c.relowner::regrole::text, c.relrowsecurity,
       case when c.relname = 'tenants' then 'id'
            when exists (select from pg_attribute a where a.attrelid = c.oid and a.attname = 'tenant_id'
                         and not a.attisdropped) then 'tenant_id' end,
       array(select a.attname::text from pg_attribute a where a.attrelid = c.oid and a.attnum > 0
             and not a.attisdropped and a.attgenerated = '' order by a.attnum),
       array(select a.attname::text from pg_attribute a where a.attrelid = c.oid and a.attnum > 0
             and not a.attisdropped and a.attgenerated = ''
             and has_column_privilege('moothill_app', c.oid, a.attnum, 'insert') order by a.attnum),
       array(select a.attname::text from pg_attribute a where a.attrelid = c.oid and a.attnum > 0
             and not a.attisdropped and a.attgenerated = ''
             and has_column_privilege('moothill_app', c.oid, a.attnum, 'update')
             order by a.attnotnull, a.attnum desc),
       array(select format('%%s %%s', r.name, v.verb)
             from unnest(%s::text[]) as r (name), unnest(%s::text[]) as v (verb)
             where has_table_privilege(r.name, c.oid, v.verb)
                or v.verb in ('select', 'insert', 'update') and has_any_column_privilege(r.name, c.oid, v.verb))
from pg_class c
where c.relnamespace = 'moothill'::regnamespace and c.relkind in ('r', 'p', 'v', 'm')
order by c.relname
"""
_REFERENCES = """
select k.conname::text, k.conrelid::regclass::text, k.confrelid::regclass::text,
       array(select a.attname::text from unnest(k.conkey) with ordinality as p (number, place)
             join pg_attribute a on a.attrelid = k.conrelid and a.attnum = p.number order by p.place),
       array(select a.attname::text from unnest(k.confkey) with ordinality as p (number, place)
             join pg_attribute a on a.attrelid = k.confrelid and a.attnum = p.number order by p.place)
from pg_constraint k
where k.connamespace = 'moothill'::regnamespace and k.contype = 'f' and k.conparentid = 0
order by k.conname
"""
_FUNCTIONS = """
select n.nspname::text, p.proname::text, p.prosecdef
from pg_proc p
join pg_namespace n on n.oid = p.pronamespace
where n.nspname in ('moothill', 'mt') and has_function_privilege('moothill_app', p.oid, 'execute')
order by 1, 2
"""


@dataclass(frozen=True, slots=True)
class Relation:
    """A table, partition or view.

    Attributes:
        tenant: the column that says whose a row is; None where no tenant has rows.
        columns: those that an INSERT may name.
        insertable: those that the application may name in one; all of them where it may not insert.
        changeable: those that the application may change, the most harmless first.
        privileges: `role verb` for each that a serving role holds.
    """

    name: str
    kind: str
    is_partition: bool
    owner: str
    is_secured: bool
    tenant: str | None
    columns: tuple[str, ...]
    insertable: tuple[str, ...]
    changeable: tuple[str, ...]
    privileges: frozenset[str]

    def allows(self, role: str, verb: str) -> bool:
        """Whether a role holds the privilege; row security decides on the rows."""
        return f"{role} {verb}" in self.privileges


@dataclass(frozen=True, slots=True)
class Reference:
    """A foreign key."""

    name: str
    child: str
    parent: str
    child_columns: tuple[str, ...]
    parent_columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Function:
    """A function that the application may call."""

    name: str
    is_definer: bool


@dataclass(frozen=True, slots=True)
class Catalog:
    """Everything that stands in the schemas of Moothill.

    Attributes:
        focus: names of the relations to attack; None for all.
    """

    relations: tuple[Relation, ...]
    references: tuple[Reference, ...]
    functions: tuple[Function, ...]
    focus: frozenset[str] | None = None
    _by_name: dict[str, Relation] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self._by_name.update({each.name: each for each in self.relations})

    def __getitem__(self, name: str) -> Relation:
        return self._by_name[name.removeprefix("moothill.")]

    @property
    def tables(self) -> list[Relation]:
        """Tables with rows of tenants, control tables among them; a partitioned one counts once."""
        return [r for r in self._attacked if r.kind in "rp" and r.tenant and not r.is_partition]

    @property
    def partitions(self) -> list[Relation]:
        """The leaves under partitioned tables."""
        return [r for r in self._attacked if r.kind == "r" and r.is_partition]

    @property
    def views(self) -> list[Relation]:
        """Views, materialised ones too if there were any."""
        return [r for r in self._attacked if r.kind in "vm"]

    @property
    def tenantless(self) -> list[Relation]:
        """Tables in which no row belongs to a tenant."""
        return [r for r in self._attacked if r.kind in "rp" and not r.tenant]

    def focused(self, *names: str) -> "Catalog":
        """The same catalog, of which only some relations are attacked."""
        return replace(self, focus=frozenset(names))

    @property
    def _attacked(self) -> list[Relation]:
        return [r for r in self.relations if self.focus is None or r.name in self.focus]


async def read_catalog(admin: psycopg.AsyncConnection[Any]) -> Catalog:
    """The catalog as it is in this transaction."""
    relations = await (await admin.execute(_RELATIONS, [list(SERVING), list(VERBS)])).fetchall()
    references = await (await admin.execute(_REFERENCES)).fetchall()
    functions = await (await admin.execute(_FUNCTIONS)).fetchall()
    return Catalog(
        tuple(
            Relation(
                name,
                kind,
                part,
                owner,
                secured,
                tenant,
                tuple(every),
                tuple(put or every),
                tuple(change),
                frozenset(held),
            )
            for name, kind, part, owner, secured, tenant, every, put, change, held in relations
        ),
        tuple(
            Reference(name, child, parent, tuple(mine), tuple(theirs))
            for name, child, parent, mine, theirs in references
        ),
        tuple(Function(f"{schema}.{name}", definer) for schema, name, definer in functions),
    )
