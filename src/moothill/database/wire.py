"""Several statements in one round trip, with as little work on our side as can be.

psycopg's own pipeline mode spends more time in Python than the server spends on a small read:
measured against the same read in autocommit, 2.3 times for BEGIN, context, statement and COMMIT
through it and 1.1 times through this (`moothill bench tenancy`). So transactions drive libpq's
pipeline with psycopg's generators: prepared statements, parameters as text whose types the server infers.
"""

import re
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import psycopg
from pgvector import HalfVector
from psycopg import AsyncConnection, generators
from psycopg import abc as psycopg_abc
from psycopg.abc import PQGen
from psycopg.adapt import PyFormat, Transformer
from psycopg.pq import ExecStatus
from psycopg.pq.abc import PGconn, PGresult
from psycopg.rows import DictRow

__all__ = ["Plans", "Statement", "Wire", "WireConnection", "compile_statement", "is_stale_plan"]

_PLACEHOLDER = re.compile(r"%(?:\((\w+)\)s|%)")
_OK = (ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK, ExecStatus.EMPTY_QUERY)
# A migration changed what a prepared statement returns. The text of the error depends on the server's language.
_STALE_STATE, _STALE_PLACE = "0A000", "RevalidateCachedQuery"
# A prepared statement is gone: somebody between us and the server, or with this session, discarded it.
_GONE_STATE = "26000"

Rows = list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement as the server takes it: `$n` placeholders, and the names that fill them.

    Attributes:
        is_kept: prepare it for the next time; not for one that hardly comes again.
    """

    text: bytes
    names: tuple[str, ...]
    is_kept: bool = True


@lru_cache(maxsize=4096)
def compile_statement(sql: str) -> Statement:
    """Translate `%(name)s` to `$n` and `%%` to `%`."""
    names: list[str] = []

    def place(match: re.Match[str]) -> str:
        name = match[1]
        if name is None:
            return "%"
        if name not in names:
            names.append(name)
        return f"${names.index(name) + 1}"

    return Statement(_PLACEHOLDER.sub(place, sql).encode(), tuple(names))


Ready = list[tuple[Statement, list[Any], list[Any]]]


class WireConnection(AsyncConnection[DictRow]):
    """A pooled connection that remembers what is prepared on it."""

    wire: "Wire | None" = None


@dataclass(slots=True)
class Plans:
    """What all connections of a pool share about what they prepared.

    Attributes:
        age: rises when one connection finds its statements stale; then the others forget theirs too.
    """

    age: int = 0


@dataclass(slots=True)
class Wire:
    """The short way to the server, over one connection.

    Attributes:
        connection: idle, or inside a transaction; never inside psycopg's own pipeline.
        prepares: false behind a pooler that cannot keep prepared statements.
        plans: shared with the other connections of the pool.
    """

    connection: WireConnection
    prepares: bool = True
    plans: Plans = field(default_factory=Plans)
    _prepared: dict[bytes, bytes] = field(default_factory=dict)
    _age: int = 0
    _made: int = 0
    _transformer: psycopg_abc.Transformer | None = None

    @property
    def kept(self) -> int:
        """How many statements are prepared."""
        return len(self._prepared)

    def forget(self) -> None:
        """Prepare everything anew, for somebody discards what is prepared."""
        self._prepared.clear()

    async def trip(self, statements: Sequence[tuple[Statement, Mapping[str, Any]]]) -> list[tuple[Rows, int]]:
        """Send all statements, then read all answers: rows and the number of rows touched, of each.

        Raises:
            psycopg.Error: the first failure; what follows it in the trip was not run.
        """
        return await self.send(self.dump(statements))

    def dump(self, statements: Sequence[tuple[Statement, Mapping[str, Any]]]) -> Ready:
        """The statements with their values as the server takes them; nothing is sent.

        Raises:
            psycopg.Error: a value is missing or cannot be sent.
        """
        transformer = self._transformer
        if transformer is None:
            transformer = self._transformer = Transformer(self.connection)
        return [(statement, *_dump(transformer, statement, values)) for statement, values in statements]

    async def send(self, ready: Ready) -> list[tuple[Rows, int]]:
        """Send what was dumped and read all answers.

        Raises:
            psycopg.Error: the first failure; what follows it in the trip was not run.
        """
        return [self.read(result) for result in await self.results(ready)]

    async def results(self, ready: Ready) -> list[PGresult]:
        """Send what was dumped; the answers as they came, with the names and types of their columns.

        Raises:
            psycopg.Error: the first failure; what follows it in the trip was not run.
        """
        if self._age != self.plans.age:
            self._prepared.clear()
            self._age = self.plans.age
        try:
            async with self.connection.lock:
                return await self.connection.wait(self._run(self.connection.pgconn, ready))
        except psycopg.Error as error:
            if is_stale_plan(error):
                self.plans.age += 1
            raise

    def _run(self, pgconn: PGconn, ready: Ready) -> PQGen[list[PGresult]]:
        pgconn.enter_pipeline_mode()
        # One entry per answer: the statement it prepares, or None for an execution.
        prepares: list[tuple[bytes, bytes] | None] = []
        fresh: dict[bytes, bytes] = {}
        for statement, values, formats in ready:
            prepares.append(None)
            if not (self.prepares and statement.is_kept):
                pgconn.send_query_params(statement.text, values, param_formats=formats)
                continue
            name = self._prepared.get(statement.text) or fresh.get(statement.text)
            if name is None:
                self._made += 1
                name = fresh[statement.text] = b"m%d" % self._made
                pgconn.send_prepare(name, statement.text)
                prepares.insert(-1, (statement.text, name))
            pgconn.send_query_prepared(name, values, param_formats=formats)
        pgconn.pipeline_sync()
        collected = yield from _collect(pgconn)
        pgconn.exit_pipeline_mode()
        answers: list[PGresult] = []
        for result, prepared in zip(collected, prepares, strict=True):
            if result.status not in _OK:
                raise psycopg.errors.error_from_result(result, encoding="utf-8")
            if prepared is None:
                answers.append(result)
            else:
                self._prepared[prepared[0]] = prepared[1]
        return answers

    def read(self, result: PGresult) -> tuple[Rows, int]:
        """Rows of an answer, and the number of rows touched."""
        transformer = self._transformer
        assert transformer is not None
        count = result.command_tuples or 0
        if result.status != ExecStatus.TUPLES_OK:
            return [], count
        transformer.set_pgresult(result)
        names = [(result.fname(index) or b"").decode() for index in range(result.nfields)]
        rows = transformer.load_rows(0, result.ntuples, lambda row: dict(zip(names, row, strict=True)))
        return rows, count


def _dump(
    transformer: psycopg_abc.Transformer, statement: Statement, values: Mapping[str, Any]
) -> tuple[list[Any], list[Any]]:
    """Parameters as text, but vectors and bytes as binary."""
    try:
        ordered = [values[name] for name in statement.names]
    except KeyError as error:
        raise psycopg.ProgrammingError(f"no value for parameter {error.args[0]}") from None
    dumped: list[Any] = []
    formats: list[Any] = []
    for value in ordered:
        if isinstance(value, HalfVector):
            dumped.append(value.to_binary())
            formats.append(1)
        elif isinstance(value, bytes):
            dumped.append(value)
            formats.append(1)
        elif value is None:
            dumped.append(None)
            formats.append(0)
        elif isinstance(value, str):
            dumped.append(_text(value))
            formats.append(0)
        else:
            dumped.append(transformer.get_dumper(value, PyFormat.TEXT).dump(value))
            formats.append(0)
    return dumped, formats


def _text(value: str) -> bytes:
    """A text as the server takes it; libpq would cut it at a NUL without a word."""
    if "\x00" in value:
        raise psycopg.errors.CharacterNotInRepertoire("a text holds a NUL character")
    try:
        return value.encode()
    except UnicodeEncodeError:
        raise psycopg.errors.CharacterNotInRepertoire("a text holds a lone surrogate") from None


def _collect(pgconn: PGconn) -> Generator[Any, Any, list[PGresult]]:
    """Flush what was sent and read every answer up to the synchronisation point."""
    yield from generators.send(pgconn)
    results: list[PGresult] = []
    while True:
        batch = yield from generators.fetch_many(pgconn)
        if batch[0].status == ExecStatus.PIPELINE_SYNC:
            return results
        results.append(batch[0])


def is_stale_plan(error: psycopg.Error) -> bool:
    """Whether a prepared statement became useless (its result changed, or it is gone), so that trying again helps."""
    state = error.sqlstate
    return state == _GONE_STATE or (state == _STALE_STATE and error.diag.source_function == _STALE_PLACE)
