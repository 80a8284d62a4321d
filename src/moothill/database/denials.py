"""The event that a refused write leaves behind."""

from pydantic import Field

from ..kernel.events import EventPayload


class OperationDenied(EventPayload, kind="operations.denied"):
    """Somebody called what they may not."""

    operation: str = Field(description="What was called.")
    code: str = Field(description="Code of the refusal.")
