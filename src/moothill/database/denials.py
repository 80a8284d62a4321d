"""The event that a refused write, or a refused statement of an agent, leaves behind."""

from pydantic import Field

from ..kernel.events import EventPayload


class OperationDenied(EventPayload, kind="operations.denied"):
    """Somebody called what they may not."""

    operation: str = Field(description="What was called.")
    code: str = Field(description="Code of the refusal.")
    rule: str | None = Field(None, description="The rule that it broke, where there is one.")
    part: str | None = Field(None, description="The part of the statement that broke it; never a value.")
