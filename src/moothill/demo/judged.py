"""Queries with judged answers over the demo society, for evaluating search."""

from typing import Annotated

from pydantic import Field
from pydantic.dataclasses import dataclass

from .fields import STRICT, Key, Path, Text

__all__ = ["JudgedQuery", "Judgement"]


@dataclass(frozen=True, slots=True, kw_only=True, config=STRICT)
class Judgement:
    """How well a capability, as `agent/capability`, answers a query: 3 the very thing, 1 related."""

    target: Path
    grade: Annotated[int, Field(ge=1, le=3)]


@dataclass(frozen=True, slots=True, kw_only=True, config=STRICT)
class JudgedQuery:
    """A query with every capability that is relevant to it; what is not listed is irrelevant."""

    key: Key
    tenant: Key
    text: Text
    relevant: Annotated[tuple[Judgement, ...], Field(min_length=1)]

    @property
    def capabilities(self) -> dict[str, int]:
        """Grade by `agent/capability`."""
        return {judgement.target: judgement.grade for judgement in self.relevant}

    @property
    def agents(self) -> dict[str, int]:
        """Grade by agent: that of the best of its capabilities."""
        grades: dict[str, int] = {}
        for judgement in self.relevant:
            agent = judgement.target.partition("/")[0]
            grades[agent] = max(judgement.grade, grades.get(agent, 0))
        return grades
