"""Measuring a tenant's own index on the tenant's own data, and setting how hard it is searched."""

from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from ....database.queries import Many, Queries, Run
from ....kernel.context import context
from ....kernel.errors import Invalid, NotFound
from ....kernel.events import EventPayload
from ....kernel.operation import operation
from ....kernel.service import Service
from ..models import ModelSlug, Place
from ..statements import sql as search_sql
from ..status import SearchModel
from . import rules
from .statements import alone

__all__ = ["fitting_effort", "tune"]

NEAREST = 10
TARGET = 0.99
_EFFORTS = (20, 40, 60, 100, 160, 250, 400)
# What the worker measures with, for small tenants and for large ones, of whom each exact search takes long.
_FEW, _FEWER, _LARGE = 40, 20, 100_000
# The same sample each time, so that two runs can be compared.
_SEED = "search.tune"


class Setting(BaseModel):
    """What the index finds at one effort, and how long it takes."""

    model_config = ConfigDict(frozen=True)

    effort: int = Field(description="Candidates that the index looks at (hnsw.ef_search); 0: every vector is compared.")
    recall: float = Field(description="Part of the ten nearest that is found, on average.")
    worst: float = Field(description="That of the query for which the least was found.")
    p50_ms: float = Field(description="Half of the searches took at most this in the database, milliseconds.")
    p95_ms: float = Field(description="95 % of them took at most this, milliseconds.")


class Tuning(BaseModel):
    """What an index finds at several efforts, and which one is recommended."""

    model_config = ConfigDict(frozen=True)

    model: str = Field(description="Embedding model that was measured.")
    place: Place = Field(description="shared: compared exactly; copying: on its way; own: with an index of its own.")
    vectors: int = Field(description="Vectors of this tenant.")
    queries: int = Field(description="Queries, made of stored vectors that were chosen by chance.")
    target: float = Field(description="The recall that was asked for.")
    settings: list[Setting] = Field(description="The figures; the first is the exact search.")
    effort: int | None = Field(None, description="The effort as it was; null without an index.")
    recommended: int | None = Field(None, description="The least effort that reaches the target; null: none does.")
    applied: bool = Field(description="Whether it holds from now on.")
    notes: list[str] = Field(default_factory=list, description="What the caller should know.")


class EffortTuned(EventPayload, kind="search.effort_tuned"):
    """The effort of a tenant's index was set to what was measured."""

    model: str = Field(description="Embedding model.")
    before: int = Field(description="The effort as it was.")
    effort: int = Field(description="The effort from now on.")
    recall: float = Field(description="The recall that was measured at it.")


class NothingToTune(NotFound):
    """There are no vectors of this model here to measure with."""


class Probe(BaseModel):
    """What one query found at one effort."""

    effort: int
    hits: int
    milliseconds: float


class Sql(Queries):
    """Statements of tuning."""

    file = "tuning.sql"

    sample: Many[UUID]
    probe: Many[Probe]
    tune: Run


sql = Sql()


@operation(effect="write", scope="search:write", audience="operator", mode="none", example={"sample": 10})
async def tune(
    self: Service,
    *,
    model: Annotated[ModelSlug | None, Field(description="Of this model; by default the one that answers.")] = None,
    sample: Annotated[int, Field(ge=5, le=1000, description="Stored vectors from which queries are made.")] = 100,
    target: Annotated[float, Field(ge=0.5, le=1, description="Recall that the recommendation must reach.")] = TARGET,
    efforts: Annotated[
        list[Annotated[int, Field(ge=10, le=1000)]] | None,
        Field(min_length=1, max_length=20, description="Efforts to measure; by default seven from 20 to 400."),
    ] = None,
    apply: Annotated[bool, Field(description="Set the recommended effort; else nothing is changed.")] = False,
) -> Tuning:
    """Measure recall and time of this tenant's index at several efforts, recommend one, and set it if told so.

    The queries are stored vectors, each with a little of another; what comparing every vector finds is the truth.

    Raises:
        NothingToTune: there are no vectors of the model.
    """
    chosen = sorted(set(efforts or _EFFORTS))
    async with alone(self.executor):
        known = await _model(model)
        items = await sql.sample(model=known.model, size=sample, seed=_SEED)
    if not items:
        raise NothingToTune(f"There are no vectors of {known.model} in this tenant; `search.models` counts them.")
    probes: dict[int, list[Probe]] = {}
    truth: list[int] = []
    for number, item in enumerate(items):
        context().progress(number, len(items), "measuring")
        # A transaction for each, so that none is long.
        async with alone(self.executor, read_only=False):
            rows = await sql.probe(
                model=known.model, item=item, beside=items[number - 1], efforts=chosen, nearest=NEAREST
            )
        exact = next((row.hits for row in rows if row.effort == 0), 0)
        if exact:
            truth.append(exact)
            for row in rows:
                probes.setdefault(row.effort, []).append(row)
    # The worker may move the vectors meanwhile; what was not asked of every query is not compared.
    settings = [
        _setting(effort, probes[effort], truth) for effort in sorted(probes) if len(probes[effort]) == len(truth)
    ]
    own = known.place == "own"
    recommended = next((each.effort for each in settings if each.effort and each.recall >= target), None)
    applied = bool(apply and own and recommended is not None)
    if applied and recommended is not None:
        recall = next(each.recall for each in settings if each.effort == recommended)
        async with alone(self.executor, read_only=False):
            await sql.tune(model=known.model, effort=recommended)
            context().record(EffortTuned(model=known.model, before=known.effort, effort=recommended, recall=recall))
    return Tuning(
        model=known.model,
        place=known.place,
        vectors=known.vectors,
        queries=len(truth),
        target=target,
        settings=settings,
        effort=known.effort if own else None,
        recommended=recommended,
        applied=applied,
        notes=_notes(known, target, recommended, apply=apply),
    )


async def fitting_effort(model: SearchModel, least: int) -> int:
    """The least effort from `least` on at which the index of this tenant finds enough, in the transaction at hand.

    Args:
        model: as it stands in this tenant, in a partition of its own.
        least: what the number of vectors asks for.
    """
    efforts = [least, *(each for each in _EFFORTS if each > least)]
    shares: dict[int, list[float]] = {each: [] for each in efforts}
    sample = _FEW if model.vectors < _LARGE else _FEWER
    items = await sql.sample(model=model.model, size=sample, seed=_SEED)
    for item, beside in zip(items, [*items[1:], *items[:1]], strict=True):
        rows = await sql.probe(model=model.model, item=item, beside=beside, efforts=efforts, nearest=NEAREST)
        exact = next((row.hits for row in rows if row.effort == 0), 0)
        for row in rows:
            if row.effort and exact:
                shares[row.effort].append(min(1.0, row.hits / exact))
    reached = (each for each in efforts if shares[each] and sum(shares[each]) >= TARGET * len(shares[each]))
    return next(reached, efforts[-1] if shares[least] else least)


async def _model(wanted: str | None) -> SearchModel:
    known = await search_sql.models()
    found = next(
        (each for each in known if (each.state == "serving" if wanted is None else each.model == wanted)), None
    )
    if found is None and wanted is not None:
        raise Invalid(f"There is no embedding model {wanted!r}; `search.models` shows those that exist.", field="model")
    if found is None:
        raise NothingToTune("Nothing can be found in this tenant yet; register agents first.")
    return found


def _setting(effort: int, probes: list[Probe], truth: list[int]) -> Setting:
    shares = [min(1.0, each.hits / wanted) for each, wanted in zip(probes, truth, strict=True)]
    times = [each.milliseconds for each in probes]
    return Setting(
        effort=effort,
        recall=round(sum(shares) / len(shares), 4),
        worst=round(min(shares), 4),
        p50_ms=round(rules.percentile(times, 0.5), 3),
        p95_ms=round(rules.percentile(times, 0.95), 3),
    )


def _notes(known: SearchModel, target: float, recommended: int | None, *, apply: bool) -> list[str]:
    if known.place != "own":
        return [
            f"Every search here compares all of the {known.vectors:,} vectors, so its recall is 1; there is no index "
            "to tune until the tenant has grown."
        ]
    if recommended is None:
        return [
            f"No effort that was measured reaches a recall of {target}; measure greater ones, or use a model with "
            "fewer dimensions (`search.reindex`). Nothing was changed."
        ]
    if recommended == known.effort:
        return ["The effort is what is recommended already."]
    if not apply:
        return [f"Nothing was changed: `apply` sets the effort from {known.effort} to {recommended}."]
    return []
