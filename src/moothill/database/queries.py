"""Named SQL: each statement lives in a `queries.sql`, with its name, purpose, cardinality and errors.

    -- name: agent_by_id
    -- One agent, whatever its status.
    -- returns: maybe
    -- errors: 23505 agent_exists
    -- seals: agents.config, agents.metadata
    select ... where tenant_id = %(tenant)s and id = %(id)s;

A service declares which it uses, and as what:

    class Sql(Queries):
        agent_by_id: Maybe[Agent]

Names and cardinalities are compared when the class is made; a test lets the server describe each
statement and compares its columns with the row model. `%(tenant)s` is filled from the context. What `seals` names
is encrypted on its way in and out, in a tenant that encrypts (`sealing.statements`).

What several statements of a file share, such as a long list of columns, is said once, before them:

    -- let: agent
    id, agent_id, name

and stands in their place as `{agent}`; a fragment may hold fragments that stand above it. A file of
nothing but fragments serves several files: a `Sql` class names it in `fragments`.
"""

import inspect
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar, get_args, get_origin, get_type_hints

from pydantic import TypeAdapter, ValidationError

from ..kernel.context import context
from ..kernel.errors import Internal, MoothillError, all_errors
from .sealing.fields import table_of
from .sqlstate import SqlFailure, translate

__all__ = ["Many", "Maybe", "One", "Queries", "Run", "Statement", "parse_queries", "statements"]

T = TypeVar("T")
_HEADER = re.compile(r"^-- (name|returns|errors|seals):\s*(.+)$")
_DECLARED = re.compile(r"\s*([0-9A-Z]{5})\s+([a-z][a-z0-9_]*)\s*")
_PARAMETER = re.compile(r"%\((\w+)\)s")


@dataclass(frozen=True, slots=True)
class Statement:
    """One named statement of a file."""

    name: str
    purpose: str
    cardinality: str
    sql: str
    errors: Mapping[str, str]
    place: str
    seals: tuple[str, ...] = ()


def parse_queries(text: str, place: str) -> Iterator[Statement]:
    """The statements of a `queries.sql`.

    Raises:
        ValueError: a header is missing or malformed, or a name stands there twice; file and name are told.
    """
    fragments: dict[str, str] = {}
    seen: set[str] = set()
    for block in re.split(r"^(?=-- (?:name|let):)", text, flags=re.MULTILINE)[1:]:
        lines = _filled(block, fragments).strip().splitlines()
        if lines[0].startswith("-- let:"):
            body = "\n".join(line for line in lines if not line.startswith("--"))
            fragments[lines[0].removeprefix("-- let:").strip()] = body.strip()
            continue
        header: dict[str, str] = {}
        purpose: list[str] = []
        body_at = 0
        for index, line in enumerate(lines):
            if match := _HEADER.match(line):
                header[match[1]] = match[2].strip()
            elif line.startswith("--"):
                purpose.append(line[2:].strip())
            else:
                body_at = index
                break
        name = header.get("name", "?")
        if not body_at:
            raise ValueError(f"{place}: {name}: the statement is missing")
        if header.get("returns") not in ("one", "maybe", "many", "run") or not purpose:
            raise ValueError(f"{place}: {name}: state one line of purpose and `-- returns: one|maybe|many|run`")
        if name in seen:
            raise ValueError(f"{place}: {name} stands there twice; rename one")
        seen.add(name)
        declared: dict[str, str] = {}
        for item in filter(str.strip, header.get("errors", "").split(",")):
            if not (match := _DECLARED.fullmatch(item)):
                raise ValueError(f"{place}: {name}: write its errors as `-- errors: 23505 agent_exists`")
            declared[match[1]] = match[2]
        sql = "\n".join(lines[body_at:]).strip().rstrip(";")
        seals = tuple(each.strip() for each in header.get("seals", "").split(",") if each.strip())
        for each in seals:
            try:
                table_of(each)
            except ValueError as error:
                raise ValueError(f"{place}: {name}: {error}") from None
        yield Statement(name, " ".join(purpose), header["returns"], sql, declared, f"{place}:{name}", seals)


def _filled(text: str, fragments: Mapping[str, str]) -> str:
    for name, body in fragments.items():
        text = text.replace(f"{{{name}}}", body)
    return text


@dataclass(slots=True)
class _Query:
    """A statement bound to a row type."""

    statement: Statement
    row: Any
    adapter: TypeAdapter[Any] = field(init=False)
    all_rows: TypeAdapter[Any] = field(init=False)
    is_scalar: bool = field(init=False)
    names: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        self.adapter = TypeAdapter(self.row)
        self.all_rows = TypeAdapter(list[self.row])  # type: ignore[name-defined]  # known when the class is made
        self.is_scalar = not (inspect.isclass(self.row) and hasattr(self.row, "model_fields"))
        self.names = frozenset(_PARAMETER.findall(self.statement.sql)) - {"tenant"}

    async def _rows(self, parameters: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
        call = context()
        if call.transaction is None:
            raise Internal(f"{self.statement.place} was run outside of a transaction.")
        self._check(parameters)
        try:
            values = {"tenant": call.tenant, **parameters}
            if self.statement.seals:
                return await call.transaction.fetch(self.statement.sql, values, self.statement.seals)
            return await call.transaction.fetch(self.statement.sql, values)
        except SqlFailure as failure:
            raise self._declared(failure) from None

    def _check(self, parameters: Mapping[str, Any]) -> None:
        given = parameters.keys() - {"tenant"}
        if given == self.names:
            return
        if missing := sorted(self.names - given):
            raise Internal(f"{self.statement.place} was not given its parameter {missing[0]!r}.")
        raise Internal(f"{self.statement.place} was given {min(given - self.names)!r}, which it does not name.")

    def _declared(self, failure: SqlFailure) -> MoothillError:
        code = self.statement.errors.get(failure.sqlstate)
        if code is not None:
            return all_errors()[code]()
        return translate(failure, self.statement.place)

    def _row(self, row: Mapping[str, Any]) -> Any:
        try:
            return self.adapter.validate_python(next(iter(row.values())) if self.is_scalar else row)
        except (ValidationError, StopIteration) as error:
            raise self._misfit(error, place=0) from None

    def _every(self, rows: Sequence[Mapping[str, Any]]) -> Any:
        try:
            return self.all_rows.validate_python([next(iter(row.values())) for row in rows] if self.is_scalar else rows)
        except (ValidationError, StopIteration) as error:
            raise self._misfit(error, place=1) from None

    def _misfit(self, error: Exception, *, place: int) -> Internal:
        """What to say of a row that is none: never its value, which may be a secret, or another tenant's."""
        column = "its column"
        if isinstance(error, ValidationError):
            first = error.errors(include_url=False, include_context=False, include_input=False)[0]
            column = ".".join(map(str, first["loc"][place:])) or column
        kind = getattr(self.row, "__name__", str(self.row))
        return Internal(f"{self.statement.place} gave a row that is no {kind}: {column} does not fit.")


class One(_Query, Generic[T]):
    """Exactly one row."""

    async def __call__(self, **parameters: Any) -> T:
        """Run it."""
        rows = await self._rows(parameters)
        if len(rows) != 1:
            raise Internal(f"{self.statement.place} gave {len(rows)} rows where one was declared.")
        row: T = self._row(rows[0])
        return row


class Maybe(_Query, Generic[T]):
    """One row or none."""

    async def __call__(self, **parameters: Any) -> T | None:
        """Run it."""
        rows = await self._rows(parameters)
        if len(rows) > 1:
            raise Internal(f"{self.statement.place} gave {len(rows)} rows where at most one was declared.")
        return self._row(rows[0]) if rows else None


class Many(_Query, Generic[T]):
    """Any number of rows; the statement bounds them."""

    async def __call__(self, **parameters: Any) -> list[T]:
        """Run it."""
        found: list[T] = self._every(await self._rows(parameters))
        return found


class Run(_Query):
    """No rows."""

    def __post_init__(self) -> None:
        self.row = None
        _Query.__post_init__(self)

    async def __call__(self, **parameters: Any) -> None:
        """Run it."""
        await self._rows(parameters)

    async def each(self, rows: Sequence[Mapping[str, Any]]) -> int:
        """Run it once per row of parameters, in one round trip; how many rows it touched."""
        call = context()
        if call.transaction is None:
            raise Internal(f"{self.statement.place} was run outside of a transaction.")
        for row in rows:
            self._check(row)
        filled = [{"tenant": call.tenant, **row} for row in rows]
        try:
            if self.statement.seals:
                return await call.transaction.fetch_many(self.statement.sql, filled, self.statement.seals)
            return await call.transaction.fetch_many(self.statement.sql, filled)
        except SqlFailure as failure:
            raise self._declared(failure) from None


_CARDINALITY = {One: "one", Maybe: "maybe", Many: "many", Run: "run"}
_ALL: dict[str, tuple[Statement, Any]] = {}


def statements() -> Mapping[str, tuple[Statement, Any]]:
    """Every statement that a service declared, by place, with its row type (None for `run`)."""
    return dict(_ALL)


class Queries:
    """Base of a service's `Sql`: its annotations name the statements of the `queries.sql` beside it.

    Attributes:
        file: name of the file beside the module.
        fragments: names of files beside it whose fragments its statements use.
    """

    file: ClassVar[str] = "queries.sql"
    fragments: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        module = sys.modules[cls.__module__]
        path = Path(str(module.__file__)).with_name(cls.file)
        text = "\n".join(path.with_name(each).read_text(encoding="utf-8") for each in (*cls.fragments, cls.file))
        found = {s.name: s for s in parse_queries(text, f"{path.parent.name}/{path.name}")}
        for name, hint in get_type_hints(cls).items():
            origin = get_origin(hint) or hint
            if origin not in _CARDINALITY:
                continue
            statement = found.get(name)
            if statement is None or statement.cardinality != _CARDINALITY[origin]:
                stated = statement.cardinality if statement else "nothing of that name"
                raise TypeError(
                    f"{cls.__module__}.{cls.__name__}.{name} is {origin.__name__}; {path.name} has {stated}"
                )
            absent = sorted(set(statement.errors.values()) - all_errors().keys())
            if absent:
                raise TypeError(
                    f"{statement.place} declares the error {absent[0]!r}, which no class has; "
                    "define or import it before this class"
                )
            row = get_args(hint)[0] if get_args(hint) else None
            setattr(cls, name, origin(statement, row))
            _ALL[statement.place] = (statement, row)
        unused = [name for name in found if name not in get_type_hints(cls)]
        if unused:
            raise TypeError(f"{path.name}: nothing uses {', '.join(unused)}")
