"""Results whose columns nobody knows beforehand: every door shows them as a table."""

from pydantic import BaseModel, ConfigDict, Field, JsonValue

__all__ = ["Table", "TableColumn"]


class TableColumn(BaseModel):
    """A column of a table."""

    model_config = ConfigDict(frozen=True)

    name: str = Field(description="Its name; two columns may have the same.")
    type: str = Field(description="What its values are, in the database's word, such as text, int4 or timestamptz.")


class Table(BaseModel):
    """Columns and rows."""

    model_config = ConfigDict(frozen=True)

    columns: list[TableColumn] = Field(description="The columns, in order.")
    rows: list[list[JsonValue]] = Field(description="The rows, each with a value for every column.")
