"""What untrusted SQL adds to a statement: the same one as an operation of its own, by the trusted path.

That path is the shortest there is: one round trip with BEGIN, the tenant, the statement and COMMIT, as
moothill_app. Both are asked with another value each time, so neither remembers an answer.
"""

from itertools import count
from typing import Annotated, Any

from pydantic import Field

from ..kernel import Service, context, operation
from ..kernel.context import CallOptions
from ..moot import Moot
from ..registry.agents import Agents
from .report import Row, interleaved, median_milliseconds, percentile

__all__ = ["run"]

TARGET = 0.3
_TRUSTED = """
select agent_id, name, rating
from agents
where tenant_id = %(tenant)s and agent_id = %(agent)s
order by rating desc
limit 10
"""
_UNTRUSTED = "select agent_id, name, rating from agents where agent_id = :agent order by rating desc limit 10"


async def _ask(self: Service, *, agent: Annotated[str, Field(description="Key of an agent.")]) -> list[dict[str, Any]]:
    """The statement by the trusted path."""
    call = context()
    assert call.transaction is not None
    rows = await call.transaction.fetch(_TRUSTED, {"tenant": call.tenant, "agent": agent})
    return [dict(row) for row in rows]


async def run(moot: Moot, *, rounds: int, each: int) -> list[Row]:
    """Measure on the connection of `moot`, which knows an agent called bench."""
    # An operation that no door knows: only its executor does.
    trusted: Any = operation(effect="read", scope="agents:read", mode="single")(_ask)
    trusted.group = Agents.group
    number = count()

    def agent() -> str:
        return "bench" if next(number) % 2 else "nobody"

    seconds = await interleaved(
        {
            "trusted": lambda: moot.executor.run(trusted, {"agent": agent()}, CallOptions()),
            "untrusted": lambda: moot.sql.query(text=_UNTRUSTED, parameters={"agent": agent()}),
        },
        rounds=rounds,
        each=each,
        what="a statement of an agent",
    )
    peer, whole = (median_milliseconds(seconds[name]) for name in ("trusted", "untrusted"))
    beside = "the same statement, trusted"
    return [
        Row("sql.query", "added to a statement", whole - peer, "ms", TARGET),
        Row("sql.query", "median", whole, "ms", peer=beside, peer_value=peer),
        Row("sql.query", "p95", percentile(seconds["untrusted"], 0.95) * 1000, "ms"),
    ]
