"""The statements of search; several of its modules use them."""

from uuid import UUID

from pydantic import BaseModel

from ...database.queries import Many, Maybe, One, Queries, Run
from .models import Lost
from .rows import EmbeddableText, FacetRow, FoundRow, ModelUse, Promotion
from .status import KindCount, SearchModel

__all__ = ["sql"]


class Batch(BaseModel):
    """The last id of a batch, and how many it held."""

    last: UUID
    taken: int


class Ready(BaseModel):
    """The model that answers, and whether the one asked for has a table."""

    serving: str | None
    made: bool


class Swept(BaseModel):
    """The last word that was looked at, and how many went."""

    last: str | None
    gone: int


class Sql(Queries):
    """Statements of this subsystem."""

    put: Run
    note: Run
    sweep: One[Swept]
    put_vector: Run
    touch: Run
    drop_vectors: Run
    remove: Run
    find: Many[FoundRow]
    lost: One[Lost]
    facets: Many[FacetRow]
    models: Many[SearchModel]
    kinds: Many[KindCount]
    lag: One[float]
    ready: One[Ready]
    make_model: One[str]
    adopt: Run
    retire: Maybe[str]
    serve: Maybe[str]
    rebuild: Run
    used: Many[ModelUse]
    queue_all: Maybe[Batch]
    queued: Many[EmbeddableText]
    settle: Run
    refuse: Run
    take_time: Run
    promote: One[Promotion]
    demote: One[bool]
    forget: One[bool]
    set_effort: Run
    tuned: One[int | None]


sql = Sql()
