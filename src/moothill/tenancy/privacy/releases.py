"""A release, in two transactions: the first pays and commits, the second looks at the data and draws.

Whatever goes wrong between them, what was paid is spent. The same question in the same epoch gets the
answer that was stored, for nothing.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from decimal import Decimal

from ...kernel.context import Context, context
from ...kernel.events import dumps
from ...kernel.local import LocalExecutor, entered
from ...kernel.retrying import retried
from ...kernel.service import Executor
from . import mechanisms
from .accountant import Policy, pay
from .contributions import summed
from .errors import ReleaseLost
from .models import PrivacyReleased, Release, ReleaseRow
from .plans import Question, cells_of
from .rules import UNITS, error_of, padding
from .statements import sql

__all__ = ["answer", "shown", "transaction"]


async def answer(executor: Executor, asked: Question) -> Release:
    """The answer to a question, from the store or drawn now.

    Raises:
        PrivacyExtraMissing, MechanismDisagrees: before anything was paid for.
        PrivacyBudgetExhausted, ReleaseInProgress: nothing was paid for.
        ReleaseLost: it was paid for, and somebody gave it up.
    """
    clock = asyncio.get_running_loop().time
    began = clock()
    # The library takes a second to load.
    library = await asyncio.to_thread(mechanisms.library)
    await asyncio.to_thread(mechanisms.check, asked.noise)
    policy = Policy.of(executor)

    async def paying() -> tuple[ReleaseRow, bool]:
        async with transaction(executor):
            return await pay(asked, policy, library)

    async def drawing() -> ReleaseRow:
        async with transaction(executor):
            return await _draw(asked, row)

    row, replayed = await retried(paying)
    if not replayed:
        # What was drawn and rolled back was told to nobody.
        row = await retried(drawing)
    await asyncio.sleep(padding(clock() - began))
    return shown(row, query=asked.query, replayed=replayed)


async def _draw(asked: Question, paid: ReleaseRow) -> ReleaseRow:
    call = context()
    if not await sql.open_(release=paid.id):
        raise ReleaseLost()
    sums = summed(asked, await asked.plan.read(release=paid.id))
    cells = await asyncio.to_thread(mechanisms.draw, asked, sums)
    at = await sql.close(
        release=paid.id,
        output=dumps([each.model_dump() for each in cells]),
        said_by=call.actor.name,
        request=call.request_id,
    )
    call.record(
        PrivacyReleased(
            query=asked.query,
            digest=asked.digest.hex(),
            mechanism=paid.mechanism,
            library=paid.library,
            scale=paid.scale,
            threshold=paid.threshold,
            per_tenant=paid.per_tenant,
            largest=paid.largest,
            epsilon=paid.epsilon,
            delta=paid.delta,
            unit=paid.unit,
            cost=paid.cost,
            spent_before=paid.spent_before,
            spent_after=paid.spent_after,
            output=cells,
        ),
        subject=paid.id,
    )
    return paid.model_copy(update={"state": "released", "output": cells, "released_at": at})


@asynccontextmanager
async def transaction(executor: Executor) -> AsyncIterator[Context]:
    """A transaction of its own within an operation that manages its transactions; committed at the end."""
    assert isinstance(executor, LocalExecutor), "a body runs on a local executor"
    call = replace(context(), pending=[])
    async with executor.runtime.database.begin(call, single=False) as unit:
        call.transaction = unit
        try:
            with entered(call):
                yield call
            await unit.finish(call)
        finally:
            call.transaction = None
    executor.runtime.committed(call)


def shown(row: ReleaseRow, *, query: str | None = None, replayed: bool = False) -> Release:
    """A release as it is told, for the query that was asked (None: the one that was asked first)."""
    query = query or row.query
    return Release(
        id=row.id,
        query=query,
        group=row.tenant_group,
        epoch=row.epoch,
        family=row.family,
        state=row.state,
        labels=row.cells,
        epsilon=row.epsilon,
        delta=row.delta,
        k_anonymity=row.k_anonymity,
        cells_per_tenant=row.per_tenant,
        largest=row.largest,
        mechanism=row.mechanism,
        library=row.library,
        scale=Decimal(row.scale) / UNITS,
        error=error_of("laplace" if row.unit == "epsilon" else "gaussian", row.scale),
        threshold=row.threshold,
        unit=row.unit,
        cost=row.cost,
        cost_delta=row.cost_delta,
        spent_before=row.spent_before,
        spent_after=row.spent_after,
        cells=cells_of(query, row.output or []),
        charged_at=row.charged_at,
        released_at=row.released_at,
        replayed=replayed,
    )
