"""What upkeep says."""

from pydantic import BaseModel, Field

from ...kernel.events import EventPayload


class LongTransaction(BaseModel):
    """A transaction that holds the feed back."""

    who: str
    minutes: float


class DefaultPartitionHit(EventPayload, kind="upkeep.default_partition_hit"):
    """Rows of a history lie outside of every month: a partition was missing when they came."""

    tables: list[str] = Field(description="The histories.")
