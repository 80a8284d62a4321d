"""What goes in and out of SQL that agents write."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from ...kernel.tables import Table

SqlText = Annotated[
    str,
    Field(
        min_length=1,
        max_length=10_000,
        description="One query of PostgreSQL: SELECT, WITH, VALUES or TABLE. `:name` stands for a parameter.",
    ),
]
ParameterName = Annotated[str, Field(pattern=r"^[a-z_][a-z0-9_]{0,62}$")]
SqlParameters = Annotated[
    dict[ParameterName, JsonValue] | None,
    Field(
        max_length=50,
        description="Values of the parameters by name: texts, numbers, booleans, null, lists of one of these, or "
        "objects. They are sent beside the statement and never become part of its text.",
    ),
]


class SqlAnswer(Table):
    """Columns and rows of a query. Numbers that a double cannot hold exactly come as texts."""

    truncated: bool = Field(description="There are more rows than were asked for, or than an answer has room for.")
    elapsed_ms: float = Field(description="Time in the database, planning included, milliseconds.")


class SqlColumn(BaseModel):
    """A column that may be asked."""

    model_config = ConfigDict(frozen=True)

    name: str = Field(description="Its name.")
    type: str = Field(description="Its type.")
    comment: str = Field(description="What it holds.")


class SqlRelation(BaseModel):
    """A table or view that may be asked; only rows of the own tenant are in it."""

    model_config = ConfigDict(frozen=True)

    name: str = Field(description="Its name.")
    kind: Literal["table", "view"] = Field(description="table or view.")
    comment: str = Field(description="What it holds.")
    columns: list[SqlColumn] = Field(description="Its columns, in order.")


class SchemaRow(BaseModel):
    """A column with its relation, as the catalog tells it."""

    relation: str
    kind: Literal["table", "view"]
    relation_comment: str
    name: str
    type: str
    comment: str
