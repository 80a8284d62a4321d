"""Operations on the graph: walking it, paths in it, pictures of it, and who is central in it."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated
from uuid import UUID

from pydantic import Field

from ...kernel import REGISTRY, CallOptions, Job, Page, Service, Step, context, job, operation, scheduled
from ...kernel.identifiers import NOBODY
from ...kernel.paging import Cursor, PageSize, decode_cursor
from ...kernel.texts import AgentReference
from ..agents.lookup import find_agent
from . import analysing, walking
from .errors import NotAnalysed
from .models import (
    HALF,
    Analysis,
    Centrality,
    Fan,
    FoundPath,
    Goal,
    Hops,
    LeastConfidence,
    Metric,
    Paths,
    Picture,
    Start,
    Traversal,
    Types,
    Ways,
)
from .walking import Bounds, sql

__all__ = ["Graph"]

_PATH_FAN = 200
_PATH_MOST = 20_000
Samples = Annotated[
    int,
    Field(ge=1, le=1_000, description="Agents from which betweenness is estimated; from all, where there are no more."),
]


class Graph(Service, group="graph"):
    """The graph of relationships: walk it, find paths, draw it, see who is central in it."""

    @operation(
        effect="read",
        scope="graph:read",
        audience="agent",
        mode="single",
        example={"agent": "alderman", "hops": 2, "types": ["COLLABORATES_WITH"]},
    )
    async def traverse(
        self,
        *,
        agent: Start,
        hops: Hops = 2,
        types: Types = None,
        minimum_confidence: LeastConfidence = HALF,
        direction: Ways = "both",
        limit: Annotated[int, Field(ge=1, le=1_000, description="Most agents, the start among them.")] = 100,
        fan: Fan = 50,
    ) -> Traversal:
        """The agents around one, hop by hop, each by the surest of its shortest ways; says what it left out."""
        bounds = Bounds(types, minimum_confidence, direction, fan, limit)
        return await walking.traversal(agent, hops, bounds)

    @operation(effect="read", scope="graph:read", audience="agent", example={"source": "alderman", "target": "quillon"})
    async def path(
        self,
        *,
        source: Start,
        target: Goal,
        hops: Hops = 5,
        types: Types = None,
        minimum_confidence: LeastConfidence = HALF,
        direction: Ways = "both",
    ) -> FoundPath:
        """The shortest way from one agent to another, of these the surest.

        Raises:
            NoPath: nothing connects them within so many hops under these filters.
            SameAgent: both are the same.
        """
        bounds = Bounds(types, minimum_confidence, direction, _PATH_FAN, _PATH_MOST)
        return await walking.shortest(await find_agent(source), await find_agent(target), hops, bounds)

    @operation(
        effect="read",
        scope="graph:read",
        example={"source": "alderman", "target": "quillon", "count": 3},
    )
    async def paths(
        self,
        *,
        source: Start,
        target: Goal,
        count: Annotated[int, Field(ge=1, le=10, description="How many ways: 1 to 10.")] = 3,
        hops: Hops = 4,
        types: Types = None,
        minimum_confidence: LeastConfidence = HALF,
        direction: Ways = "both",
    ) -> Paths:
        """The best ways from one agent to another that pass no agent twice: short ones first, then sure ones.

        Looked for among the agents closest to both, at most 500 around each; says when that leaves something out.
        """
        bounds = Bounds(types, minimum_confidence, direction, 100, 500)
        return await walking.best(await find_agent(source), await find_agent(target), count, hops, bounds)

    @operation(effect="read", scope="graph:read", example={"agent": "alderman"})
    async def neighbourhood(
        self,
        *,
        agent: Start,
        hops: Annotated[int, Field(ge=1, le=3, description="How far around it: 1 to 3.")] = 1,
        types: Types = None,
        minimum_confidence: LeastConfidence = HALF,
        direction: Ways = "both",
        limit: Annotated[int, Field(ge=1, le=300, description="Most agents.")] = 60,
    ) -> Picture:
        """The agents around one and all relationships among them, with places to draw them."""
        start = await find_agent(agent)
        return await walking.around(start.id, hops, Bounds(types, minimum_confidence, direction, limit, limit))

    @operation(effect="read", scope="graph:read", example={"limit": 50})
    async def map(
        self,
        *,
        types: Types = None,
        minimum_confidence: LeastConfidence = HALF,
        limit: Annotated[int, Field(ge=1, le=300, description="Most agents.")] = 100,
    ) -> Picture:
        """The most central agents and the relationships among them, with places to draw them.

        By PageRank where `graph.analyse` has been; else the agents of the surest relationships.
        """
        return await walking.society(Bounds(types, minimum_confidence, "both", limit, limit))

    @job(effect="write", scope="graph:analyse", example={"samples": 16})
    async def analyse(self, *, samples: Samples = 64) -> Step:
        """Compute how central each agent is, the communities, and the mutual information of each relationship.

        Degree, PageRank (weighted by confidence and strength), betweenness (estimated from samples), communities
        (Louvain). Readers see the figures when all are written.
        """
        finding: analysing.Finding = context().prepared
        return await analysing.go_on(finding)

    @analyse.prepare
    async def _prepare_analyse(self, *, samples: int = 64) -> analysing.Finding:
        return await analysing.finding_for(self.executor, context().cursor, samples=samples)

    @operation(effect="read", scope="graph:read", mode="single", example={})
    async def analysis(self) -> Analysis:
        """The newest analysis: when it was made, and what it covered.

        Raises:
            NotAnalysed: there is none yet.
        """
        found = await sql.latest()
        if found is None:
            raise NotAnalysed()
        return found

    @operation(effect="read", scope="graph:read", example={"by": "pagerank", "limit": 5})
    async def centrality(
        self,
        *,
        by: Annotated[Metric, Field(description="Order: the highest of this first.")] = "pagerank",
        agent: Annotated[AgentReference | None, Field(description="Only this agent.")] = None,
        community: Annotated[int | None, Field(ge=0, le=2**31 - 1, description="Only this community.")] = None,
        limit: PageSize = 50,
        cursor: Cursor = None,
    ) -> Page[Centrality]:
        """The most central agents, by the newest analysis.

        Raises:
            NotAnalysed: there is none yet.
        """
        analysis = await sql.latest()
        if analysis is None:
            raise NotAnalysed()
        query = ["graph.centrality", context().tenant, analysis.id, by, agent, community]
        below, after = decode_cursor(query, cursor, parts=(str, UUID)) or ["inf", NOBODY]
        if agent is not None:
            row = await sql.of_agent(analysis=analysis.id, agent=(await find_agent(agent)).id)
            return Page(items=[row] if row is not None else [])
        statement = {"pagerank": sql.by_pagerank, "degree": sql.by_degree, "betweenness": sql.by_betweenness}[by]
        rows: Sequence[Centrality] = await statement(
            analysis=analysis.id, community=community, below=float(below), after=after, size=limit + 1
        )
        return Page.cut(rows, limit=limit, query=query, key=lambda row: [repr(float(getattr(row, by))), row.id])

    @scheduled(every=timedelta(days=1), per_tenant=True)
    async def keep_analysed(self) -> str:
        """Have the relationships of each tenant analysed once a day, where the library is installed."""
        if not analysing.has_library() or not await analysing.sql.is_due():
            return ""
        queue = REGISTRY["jobs.enqueue"]
        queued: Job = await self.executor.run(
            queue, {"operation": "graph.analyse", "arguments": {"samples": 64}}, CallOptions()
        )
        return f"Queued as job {queued.id}."
