"""What upkeep says."""

from pydantic import BaseModel


class LongTransaction(BaseModel):
    """A transaction that holds the feed back."""

    who: str
    minutes: float
