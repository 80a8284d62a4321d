"""Tasks, achievements, mentorships and resources of the demo society."""

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from .fields import STRICT, Count, Key, Path, Positive, Proficiency, Share, Text

__all__ = ["Achievement", "Allocation", "Curriculum", "Mentorship", "Pool", "Requirement", "Task"]


@dataclass(frozen=True, slots=True, kw_only=True, config=STRICT)
class Task:
    """A task in any of its states."""

    tenant: Key
    key: Key
    title: Text
    description: Text
    kind: Key
    status: Literal[
        "pending",
        "blocked",
        "scheduled",
        "assigned",
        "in_progress",
        "waiting",
        "paused",
        "completed",
        "failed",
        "cancelled",
        "retry",
        "archived",
    ]
    priority: Literal["critical", "high", "normal", "low", "background"]
    complexity: Literal["simple", "moderate", "complex", "very complex"]
    risk_tier: Annotated[int, Field(ge=1, le=3)]
    founding: bool = False
    required_skills: tuple[Text, ...]
    tags: tuple[Key, ...]
    assigned_to: Key | None = None
    assigned_by: Key
    depends_on: tuple[Key, ...] = ()
    estimated_minutes: Positive
    attempts: Count
    created_minutes_ago: Count
    started_minutes_ago: Count | None = None
    ended_minutes_ago: Count | None = None
    deadline_in_minutes: Positive | None = None
    quality: Share | None = None
    result: Text | None = None
    error: Text | None = None


@dataclass(frozen=True, slots=True, kw_only=True, config=STRICT)
class Requirement:
    """A running number of an agent and the value that unlocks."""

    measure: Annotated[str, Field(pattern=r"^[a-z]+(_[a-z]+)*$")]
    at_least: Annotated[Decimal, Field(gt=0)]


@dataclass(frozen=True, slots=True, kw_only=True, config=STRICT)
class Achievement:
    """An achievement and the agents, as `tenant/key`, that have it."""

    key: Key
    name: Text
    description: Text
    category: Literal[
        "task_completion",
        "speed",
        "quality",
        "collaboration",
        "innovation",
        "consistency",
        "special",
        "legendary",
    ]
    rarity: Literal["common", "uncommon", "rare", "epic", "legendary"]
    points: Annotated[int, Field(ge=100, le=5000)]
    hidden: bool = False
    requirement: Requirement
    unlocked_by: tuple[Path, ...]


@dataclass(frozen=True, slots=True, kw_only=True, config=STRICT)
class Curriculum:
    """One lesson of a skill at a level 0-5."""

    key: Key
    skill: Text
    level: Annotated[int, Field(ge=0, le=5)]
    title: Text
    objectives: Annotated[tuple[Text, ...], Field(min_length=1)]
    prerequisites: tuple[Key, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, config=STRICT)
class Mentorship:
    """A mentor, a mentee and how far they came."""

    tenant: Key
    mentor: Key
    mentee: Key
    skill: Text
    status: Literal["active", "completed", "paused", "cancelled"]
    mentor_proficiency: Proficiency
    mentee_proficiency: Proficiency
    sessions_planned: Positive
    sessions_completed: Count
    sessions_cancelled: Count
    started_days_ago: Count
    satisfaction: Share


@dataclass(frozen=True, slots=True, kw_only=True, config=STRICT)
class Allocation:
    """A part of a pool that an agent holds for a while."""

    agent: Key
    amount: Positive
    reason: Text
    expires_in_minutes: Positive


@dataclass(frozen=True, slots=True, kw_only=True, config=STRICT)
class Pool:
    """A resource of a tenant and who holds it."""

    tenant: Key
    resource: Literal["cpu_hours", "memory_gb", "storage_tb", "api_calls", "priority_slots"]
    capacity: Positive
    allocations: tuple[Allocation, ...]
