"""Analyses: centrality, communities and mutual information, computed by a job."""

import asyncio
from decimal import Decimal
from uuid import UUID

import numpy as np
import pytest

from moothill.kernel.errors import NotFound
from moothill.kernel.operation import Job
from moothill.moot import Moot
from moothill.registry.graph.computing import Edges, association, figures_of, pack
from moothill.registry.graph.errors import NotAnalysed
from moothill.registry.relationships import NewRelationship
from moothill.registry.relationships.rules import mutual_information, pointwise
from moothill.worker import Worker
from tests.integration.graph.reference import TYPES, Plain, random_edges
from tests.integration.graph.world import settle

nx = pytest.importorskip("networkx", reason="what the figures are compared with")


async def run(moot: Moot, samples: int = 64) -> Job:
    """Queue an analysis and let a worker do it."""
    queued = await moot.graph.analyse(samples=samples)
    worker = Worker(moot.executor.runtime)  # type: ignore[attr-defined]
    task = asyncio.create_task(worker.run())
    try:
        async with asyncio.timeout(60):
            while (found := await moot.jobs.get(job=queued.id)).state in ("waiting", "running"):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
    finally:
        worker.stop()
        await task
    return found
