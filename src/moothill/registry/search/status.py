"""How search stands in a tenant: its models, what can be found, how fresh it is."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from .models import Place, PlacementState, SearchKind

__all__ = ["KindCount", "SearchModel", "SearchStatus"]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True)


class SearchModel(_Frozen):
    """An embedding model, and how it stands in this tenant."""

    model: str = Field(description="Slug of model and dimensions.")
    dimensions: int = Field(description="Length of its vectors.")
    state: PlacementState | None = Field(
        None, description="serving: it answers; building: it will; retired: it goes; null: unused in this tenant."
    )
    available: bool = Field(False, description="Whether this process can make vectors with it.")
    place: Place = Field(description="shared: compared exactly; copying: on its way; own: with an index of its own.")
    copied: int = Field(description="Vectors copied so far, while copying.")
    effort: int = Field(description="Candidates that the index looks at for each search.")
    vectors: int = Field(description="Vectors of this tenant.")
    pending: int = Field(description="Items whose vector is yet to be made.")
    failed: int = Field(description="Those of them that the provider refused at least once.")
    oldest: datetime | None = Field(None, description="Since when the oldest of them waits.")
    index_bytes: int | None = Field(None, description="Size of the tenant's own index.")
    table_bytes: int | None = Field(None, description="Size of the tenant's own partition.")
    created_at: datetime = Field(description="When the model was first used here.")


class KindCount(_Frozen):
    """How many items of a kind can be found."""

    kind: SearchKind = Field(description="What they are.")
    items: int = Field(description="How many.")


class SearchStatus(_Frozen):
    """How search stands in this tenant."""

    kinds: list[KindCount] = Field(description="What can be found.")
    items: int = Field(description="All of it.")
    serving: str | None = Field(None, description="Model that answers.")
    vectors: int = Field(description="Vectors of that model.")
    pending: int = Field(description="Items that wait for a vector, of any model.")
    lag_seconds: float = Field(description="How long the oldest of them has waited.")
    place: Place = Field(description="Where the vectors lie.")
    exact: bool = Field(description="Whether unfiltered searches compare every vector.")
