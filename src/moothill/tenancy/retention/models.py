"""What goes in and out of retention."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from ...kernel.events import EventPayload

Action = Literal["delete", "archive", "retain"]
ClassName = Annotated[
    str,
    Field(
        pattern=r"^[a-z][a-z_]{0,39}$",
        description="Class of data; `retention.policies` lists them.",
        examples=["access_log"],
    ),
]
Days = Annotated[int | None, Field(ge=1, le=36_500, description="After how many days; not with `retain`.")]
HoldReason = Annotated[str, Field(min_length=1, max_length=1000, description="Why, for the record.")]
HoldId = Annotated[UUID, Field(description="Id of a hold.")]


class ClassRow(BaseModel):
    """A class and what holds for it, as the database has it."""

    name: str
    relation: str
    action: Action
    days: int | None
    is_own: bool
    least_days: int
    actions: list[Action]
    purpose: str
    oldest: datetime | None
    overdue: float | None


class RetentionPolicy(BaseModel):
    """What happens to a class of this tenant's data."""

    model_config = ConfigDict(frozen=True)

    data_class: str = Field(description="The class.")
    table: str = Field(description="Where it lies.")
    action: Action = Field(description="delete; archive: to a file first; retain: it stays.")
    days: int | None = Field(None, description="After how many days; null: never.")
    source: Literal["tenant", "default"] = Field(
        description="Who decided: this tenant, or nobody, so the default holds."
    )
    least_days: int = Field(description="No tenant may let it go sooner.")
    actions: list[Action] = Field(description="What may be chosen.")
    purpose: str = Field(description="What it is, and why this default.")
    oldest_due: datetime | None = Field(None, description="Moment of the oldest row that ought to be gone.")
    overdue_seconds: float | None = Field(
        None, description="For how long that row ought to be gone: how far retention lags; null when nothing waits."
    )


class Hold(BaseModel):
    """A legal hold: while it stands, nothing of what it holds is removed."""

    model_config = ConfigDict(frozen=True)

    id: UUID = Field(description="Id.")
    agent: UUID | None = Field(None, description="Only what is of this agent; null: everything of the tenant.")
    reason: str = Field(description="Why.")
    placed_by: UUID = Field(description="Who placed it.")
    placed_by_name: str = Field(description="Their name at that time.")
    by_platform: bool = Field(False, description="Whether the platform's operator placed it, who alone releases it.")
    placed_at: datetime = Field(description="When.")
    released_at: datetime | None = Field(None, description="When it was released; null: it stands.")
    released_by: UUID | None = Field(None, description="Who released it.")


class Archive(BaseModel):
    """A file of archived rows, as the manifest has it."""

    model_config = ConfigDict(frozen=True)

    id: UUID = Field(description="Id.")
    data_class: str = Field(description="Class of the rows.")
    file: str = Field(description="Name of the file, in the folder of archives of this tenant.")
    rows: int = Field(description="Rows in it.")
    bytes: int = Field(description="Its size.")
    sha256: str = Field(description="SHA-256 of the file.")
    digest: str = Field(description="SHA-256 of its rows as JSON, a line each, in order.")
    state: Literal["written", "settled"] = Field(description="settled: the rows are gone from the database.")
    first_at: datetime = Field(description="Moment of its oldest row.")
    last_at: datetime = Field(description="Moment of its newest row.")
    made_at: datetime = Field(description="When it was written.")


class ArchiveRow(Archive):
    """A file that is on its way, with the moment before which rows were taken."""

    cutoff: datetime


class ExportPiece(BaseModel):
    """A part of an export: some rows of one table, or, last, what all of them come to."""

    model_config = ConfigDict(frozen=True)

    table: str = Field(description="The table; empty in the last piece.")
    lines: list[str] = Field(default_factory=list, description="Rows as JSON, exactly as they belong into a file.")
    done: int = Field(description="Rows given out so far.")
    total: int = Field(description="Rows in all, in the one moment that the export shows.")
    manifest: dict[str, "TableDigest"] | None = Field(
        None, description="In the last piece: every table with its rows and their digest."
    )


class TableDigest(BaseModel):
    """What an export holds of one table."""

    model_config = ConfigDict(frozen=True)

    rows: int = Field(description="How many rows.")
    sha256: str = Field(description="SHA-256 of its lines, each ended by a line feed.")


class PolicySet(EventPayload, kind="retention.policy_set"):
    """A tenant decided what happens to a class of its data."""

    data_class: str = Field(description="The class.")
    action: Action = Field(description="What happens from now on.")
    days: int | None = Field(None, description="After how many days.")


class PolicyCleared(EventPayload, kind="retention.policy_cleared"):
    """A tenant went back to the default for a class."""

    data_class: str = Field(description="The class.")


class HoldPlaced(EventPayload, kind="retention.hold_placed", beyond_quota=True):
    """A legal hold was placed."""

    agent: UUID | None = Field(None, description="On this agent; null: on the tenant.")


class HoldReleased(EventPayload, kind="retention.hold_released", beyond_quota=True):
    """A legal hold was released."""

    agent: UUID | None = Field(None, description="It was on this agent; null: on the tenant.")


class RowsArchived(EventPayload, kind="retention.archived"):
    """Rows went to a file, and are gone from the database."""

    data_class: str = Field(description="Their class.")
    file: str = Field(description="The file.")
    rows: int = Field(description="How many.")
    sha256: str = Field(description="SHA-256 of the file.")


class Exported(EventPayload, kind="retention.exported", beyond_quota=True):
    """Everything of the tenant was given out."""

    rows: int = Field(description="Rows that it has.")
