"""Operations for agents that ask in SQL."""

from typing import Annotated

from pydantic import Field

from ...database.pool import Database
from ...database.queries import Many, Queries
from ...database.untrusted import Question, SqlTooCostly
from ...kernel import Context, Service, context, operation
from ...kernel.errors import Forbidden, Internal
from ...kernel.local import LocalExecutor, entered
from ...kernel.service import Executor
from ...kernel.tables import TableColumn
from . import rules
from .desk import NAME, Desk
from .errors import SqlRefused
from .models import SchemaRow, SqlAnswer, SqlParameters, SqlRelation, SqlText

__all__ = ["AgentSql"]


class Sql(Queries):
    """Statements of this subsystem."""

    schema: Many[SchemaRow]


sql = Sql()


class AgentSql(Service, group="sql"):
    """SQL that agents write: one query at a time, over what their tenant may see."""

    @operation(
        effect="read",
        scope="sql:read",
        audience="agent",
        mode="none",
        example={"text": "table v_active_agents order by rating desc, agent_id", "limit": 3},
    )
    async def query(
        self,
        *,
        text: SqlText,
        parameters: SqlParameters = None,
        limit: Annotated[int, Field(ge=1, le=10_000, description="Most rows in the answer.")] = 1000,
    ) -> SqlAnswer:
        """Ask in SQL: one SELECT over the relations that `sql.schema` lists; nothing can be changed or set.

        Raises:
            SqlRefused: it holds what may not be asked; the message names it, the rule, and the way out.
            SqlTooCostly, SqlTooSlow, SqlTooLarge: it goes beyond a limit.
            SqlMistaken: the database found a mistake, such as a column that does not exist.
        """
        call = context()
        desk, database = _desk(self.executor)
        given = parameters or {}
        kinds = rules.kinds_of(given)
        try:
            if not desk.knows_schema:
                desk.learn(rules.relations_of(await _apart(call, database)))
            checked = await desk.checked(text, kinds)
            values = [rules.sent(given[name], kinds[name]) for name in checked.parameters]
            answer = await desk.pool.run(call, Question(checked.text, values), rows=limit)
        except (SqlRefused, SqlTooCostly, Forbidden) as error:
            await database.log_denial(call, error)
            raise
        return SqlAnswer(
            columns=[TableColumn(name=name, type=kind) for name, kind in answer.columns],
            rows=[rules.row_of(line) for line in answer.lines],
            truncated=answer.is_cut,
            elapsed_ms=round(answer.seconds * 1000, 3),
        )

    @operation(effect="read", scope="sql:read", audience="agent", mode="single", example={})
    async def schema(self) -> list[SqlRelation]:
        """The tables and views that SQL may ask, with their columns and what each holds."""
        return rules.relations_of(await sql.schema())


async def _apart(call: Context, database: Database) -> list[SchemaRow]:
    """What may be asked, in a transaction of its own: the operation itself opens none."""
    async with database.begin(call, single=True) as unit:
        call.transaction = unit
        try:
            with entered(call):
                return await sql.schema()
        finally:
            call.transaction = None


def _desk(executor: Executor) -> tuple[Desk, Database]:
    if not isinstance(executor, LocalExecutor):
        raise Internal("SQL is run where the database is, not at a remote caller.")
    desk, database = executor.runtime.providers.get(NAME), executor.runtime.database
    if not isinstance(desk, Desk) or not isinstance(database, Database):
        raise Internal("This process was opened without a desk for SQL.")
    return desk, database
