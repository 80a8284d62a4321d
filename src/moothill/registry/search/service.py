"""Finding things: by words, by vector, by both; and keeping what is found as fresh as its source."""

import logging
from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated
from uuid import UUID

from pydantic import Field

from ...embeddings import embed
from ...kernel import Service, Step, context, job, operation, scheduled
from ...kernel.errors import Exhausted, Invalid, Unavailable
from . import asking, filling, index, many, proving, rules
from .entries import Question, SearchEntry, SearchTouch, Vectors
from .models import (
    ManyResults,
    ModelSlug,
    QueryText,
    QueryVector,
    ReindexStarted,
    SearchBoosts,
    SearchFilters,
    SearchGraph,
    SearchKind,
    SearchMode,
    SearchQuery,
    SearchResults,
    SearchWeights,
)
from .providers import providers_of
from .quality import evaluating, feedback, judging, tuning
from .sessions import history
from .sessions.recorder import noted, seen
from .statements import sql
from .status import SearchModel, SearchStatus

__all__ = ["Search"]

_QUEUED = 5_000
_SWEPT = 1_000

_log = logging.getLogger("moothill.search")

Kinds = Annotated[
    list[SearchKind] | None,
    Field(
        min_length=1,
        max_length=6,
        description="Only these kinds. For agents alone, what their capabilities match counts for them.",
    ),
]


class UnknownModel(Invalid):
    """This process has no provider for that embedding model."""


class Search(Service, group="search"):
    """Find agents, capabilities and everything else that has a text."""

    sessions = history.sessions
    slow = history.slow
    popular = history.popular
    unanswered = history.unanswered
    performance = history.performance
    feedback = feedback.feedback
    judge = judging.judge
    derive_judgements = judging.derive_judgements
    judgements = judging.judgements
    judged_sets = judging.judged_sets
    forget_judgements = judging.forget_judgements
    evaluate = evaluating.evaluate
    tune = tuning.tune

    @operation(
        effect="read",
        scope="search:read",
        audience="agent",
        mode="single",
        example={"text": "send a message to a Slack channel", "kinds": ["agent"], "limit": 3},
    )
    async def find(
        self,
        *,
        text: QueryText | None = None,
        kinds: Kinds = None,
        mode: Annotated[
            SearchMode, Field(description="By words (text), by meaning (vector), or by both, fused (hybrid).")
        ] = "hybrid",
        filters: Annotated[SearchFilters | None, Field(description="What a hit must be, beside matching.")] = None,
        limit: Annotated[int, Field(ge=1, le=100, description="Most hits.")] = 10,
        vector: QueryVector | None = None,
        weights: Annotated[SearchWeights | None, Field(description="How much words and vector count.")] = None,
        through: Annotated[
            bool, Field(description="With agents as the only kind: they are also found through what they can do.")
        ] = True,
        graph: Annotated[
            SearchGraph | None, Field(description="Go on over relationships from the agents of the best hits.")
        ] = None,
        boosts: Annotated[
            SearchBoosts | None, Field(description="What moves hits up among those that match: recency, standing.")
        ] = None,
        evidence: Annotated[
            bool, Field(description="Say for each capability which sentence shows it, the three surest.")
        ] = False,
        facets: Annotated[bool, Field(description="Count what matches by kind, state and tag.")] = False,
    ) -> SearchResults:
        """Find what fits a description, best first, and say why each hit matched."""
        asked: Question = context().prepared
        told = await asking.answer(
            asked,
            kinds=kinds,
            filters=filters,
            limit=limit,
            weights=weights,
            through=through,
            graph=graph,
            boosts=boosts,
            facets=facets,
        )
        found = await proving.with_evidence(self.executor, told.results) if evidence else told.results
        asked_for = seen(
            text=text, vector=vector, kinds=kinds, filters=filters, limit=limit, graph=graph, measured=told.measured
        )
        return noted(self.executor, found, asked_for)

    @find.prepare
    async def _prepare_find(
        self,
        *,
        text: str | None = None,
        kinds: list[SearchKind] | None = None,
        mode: SearchMode = "hybrid",
        filters: SearchFilters | None = None,
        limit: int = 10,
        vector: list[float] | None = None,
        weights: SearchWeights | None = None,
        through: bool = True,
        graph: SearchGraph | None = None,
        boosts: SearchBoosts | None = None,
        evidence: bool = False,
        facets: bool = False,
    ) -> Question:
        return await asking.worded_question(self.executor, text=text, vector=vector, mode=mode)

    @operation(
        effect="read",
        scope="search:read",
        example={"queries": [{"text": "review a contract"}, {"text": '"plan a project" -budget'}]},
    )
    async def find_many(
        self,
        *,
        queries: Annotated[
            list[SearchQuery], Field(min_length=1, max_length=100, description="What is looked for, at most 100.")
        ],
        shared: Annotated[SearchQuery | None, Field(description="What a query leaves out is taken from here.")] = None,
    ) -> ManyResults:
        """Find what fits each of many descriptions, in one transaction; a bad one is told by its number, from 0."""
        return await many.answer(self.executor, context().prepared)

    @find_many.prepare
    async def _prepare_find_many(
        self, *, queries: list[SearchQuery], shared: SearchQuery | None = None
    ) -> list[many.Prepared]:
        return await many.prepare(self.executor, queries, shared)

    @operation(effect="read", scope="search:read", example={})
    async def models(self) -> list[SearchModel]:
        """The embedding models: which one answers, which is being built, and how far it is."""
        providers = providers_of(self.executor)
        return [
            model.model_copy(update={"available": providers.of(model.model) is not None})
            for model in await sql.models()
        ]

    @operation(effect="read", scope="search:read", example={})
    async def status(self) -> SearchStatus:
        """How much can be found, how fresh the vectors are, and where they lie."""
        kinds = await sql.kinds()
        models = await sql.models()
        serving = next((model for model in models if model.state == "serving"), None)
        return SearchStatus(
            kinds=kinds,
            items=sum(each.items for each in kinds),
            serving=serving.model if serving else None,
            vectors=serving.vectors if serving else 0,
            pending=sum(model.pending for model in models),
            lag_seconds=await sql.lag(),
            place=serving.place if serving else "shared",
            exact=serving is None or serving.place != "own",
        )

    @job(effect="write", scope="search:write", example={"model": "wordllama_256"})
    async def reindex(
        self,
        *,
        model: Annotated[
            ModelSlug | None, Field(description="The model to build; by default that of the settings.")
        ] = None,
    ) -> Step:
        """Give every item a vector of a model, then let it answer; until then the old one does."""
        providers, _ = await asking.ready(self.executor)
        wanted = model or providers.configured.model
        provider = providers.of(wanted)
        if provider is None:
            raise UnknownModel(
                f"This process has no provider for {wanted}; its settings name {providers.configured.model}.",
                field="model",
            )
        cursor = context().cursor or {}
        total = sum(each.items for each in await sql.kinds())
        if not cursor:
            if wanted not in providers.made:
                await sql.make_model(model=wanted, dimensions=provider.dimensions)
            await sql.adopt(model=wanted)
            await sql.rebuild(model=wanted)
            context().record(ReindexStarted(model=wanted))
        if "filled" not in cursor:
            after = cursor.get("after")
            batch = await sql.queue_all(model=wanted, after=after, size=_QUEUED)
            place = {"filled": 0} if batch is None else {"after": str(batch.last)}
            return Step(done=0, total=total, cursor=place, message="Queueing the items.")
        made: filling.Filled = context().prepared
        taken = await filling.settle(made)
        done = cursor["filled"] + taken
        if taken:
            return Step(done=done, total=max(total, done), cursor={"filled": done}, message="Making vectors.")
        await filling.serve(wanted)
        providers.forget(context().tenant)
        return Step(done=done, total=max(total, done), message=f"{wanted} answers now.")

    @reindex.prepare
    async def _prepare_reindex(self, *, model: str | None = None) -> filling.Filled | None:
        if "filled" not in (context().cursor or {}):
            return None
        providers = providers_of(self.executor)
        provider = providers.of(model or providers.configured.model)
        return None if provider is None else await filling.make(self.executor, provider)

    # What other subsystems call. `question` and `vectors` belong into a `prepare` phase, the rest into
    # the transaction that writes or reads the thing itself.

    async def vectors(self, texts: Sequence[str]) -> Vectors:
        """Vectors for entries that are about to be written; none when the provider is remote (they are queued)."""
        providers, _ = await asking.ready(self.executor)
        provider = providers.configured
        rows = await embed(provider, texts) if provider.local else None
        return Vectors(provider.model, rows)

    async def vectors_of(self, entries: Sequence[SearchEntry]) -> Vectors:
        """Vectors of entries; see `vectors`."""
        return await self.vectors([rules.embedding_text(entry.title, entry.body) for entry in entries])

    async def put(self, entries: Sequence[SearchEntry], vectors: Vectors) -> None:
        """Write entries, new or changed, with their vectors; found as soon as the transaction commits."""
        if not entries:
            return
        if vectors.rows is None:
            await sql.adopt(model=vectors.model)
        await index.in_parts(sql.put, index.entry_rows(entries, vectors))
        await index.in_parts(sql.note, index.note_rows(entries))
        await index.in_parts(sql.put_vector, index.vector_rows(entries, vectors))

    async def touch(self, changes: Sequence[SearchTouch]) -> None:
        """Change states, confidences or tags of entries; their texts and vectors stay."""
        await index.in_parts(sql.touch, index.touch_rows(changes))

    async def remove(self, ids: Sequence[UUID]) -> None:
        """Remove entries: nothing finds them from the commit on."""
        if ids:
            ordered = index.ids_in_order(ids)
            await sql.drop_vectors(ids=ordered)
            await sql.remove(ids=ordered)

    async def question(
        self, *, text: str | None = None, vector: Sequence[float] | None = None, mode: SearchMode = "hybrid"
    ) -> Question:
        """A query with its vector, for `similar`; see `asking.question` for what it refuses."""
        return await asking.question(self.executor, text=text, vector=vector, mode=mode)

    async def question_like(self) -> Question:
        """A query by the vector of an item that is stored already, for `similar`."""
        _, model = await asking.ready(self.executor)
        return Question(model, None, None, 0.0)

    async def similar(
        self,
        *,
        asked: Question,
        kind: SearchKind,
        item: UUID | None = None,
        filters: SearchFilters | None = None,
        limit: int = 10,
    ) -> SearchResults:
        """What of one kind is like a question, or like an item of any kind (itself left out)."""
        return (await asking.answer(asked, kinds=[kind], filters=filters, limit=limit, item=item)).results

    async def sweep(self) -> int:
        """Take every word that no item holds any more out of the vocabulary; how many went."""
        gone, after = 0, ""
        while True:
            part = await sql.sweep(after=after, size=_SWEPT)
            gone += part.gone
            if part.last is None:
                return gone
            after = part.last

    # What the worker runs by itself.

    @scheduled(every=timedelta(hours=6), per_tenant=True)
    async def sweep_words(self) -> Step:
        """Forget words that no item holds any more."""
        cursor = context().cursor or {"after": "", "done": 0}
        part = await sql.sweep(after=cursor["after"], size=_SWEPT)
        done = cursor["done"] + part.gone
        if part.last is None:
            return Step(done=done)
        return Step(done=done, cursor={"after": part.last, "done": done})

    @scheduled(every=timedelta(seconds=10), per_tenant=True, prepare="_make_vectors")
    async def fill_queue(self) -> Step:
        """Store the vectors of what waited: those of remote providers, and those of a second model."""
        done = (context().cursor or {}).get("done", 0)
        made: filling.Filled | None = context().prepared
        if made is None:
            return Step(done=done)
        done += await filling.settle(made)
        return Step(done=done, cursor={"done": done})

    async def _make_vectors(self) -> filling.Filled | None:
        providers = providers_of(self.executor)
        for used in await asking.apart(self.executor, lambda: sql.used(attempts=filling.ATTEMPTS)):
            provider = providers.of(used.model) if used.waiting and used.state != "retired" else None
            if provider is None:
                continue
            try:
                made = await filling.make(self.executor, provider)
            except (Unavailable, Exhausted) as error:
                _log.warning(
                    "embeddings_wait", extra={"model": used.model, "waiting": used.waiting, "code": error.code}
                )
                continue
            if made.texts:
                return made
        return None

    @scheduled(every=timedelta(minutes=5), per_tenant=True)
    async def arrange(self) -> Step:
        """Give a tenant that has grown a partition and index of its own, and take it back when it has shrunk."""
        done = (context().cursor or {}).get("done", 0)
        for model in await sql.models():
            if await filling.arrange(model):
                return Step(done=done + 1, cursor={"done": done + 1})
        return Step(done=done)
