"""Named statements on the server: their cardinality, their declared errors, and where they may run."""

from typing import Annotated, Any

import pytest
from pydantic import BaseModel, Field

from moothill.database.queries import Many, Maybe, One, Queries, Run, statements
from moothill.database.sqlstate import AlreadyExists, RuleBroken
from moothill.kernel import REGISTRY, SERVICES, Service, operation
from moothill.kernel.errors import Conflict, Internal
from moothill.kernel.signature import InvalidArguments
from moothill.moot import Moot

Word = Annotated[str, Field(description="A word.")]
Number = Annotated[int, Field(description="A number.")]


class Row(BaseModel):
    """A row."""

    number: int
    name: str


class Sql(Queries):
    """Statements of these tests."""

    file = "test_statements.sql"
    here: str = "an annotation that is no statement"

    numbers: Many[int]
    only: One[int]
    perhaps: Maybe[Row]
    put: Run
    divide: Run


sql = Sql()


class Answer(BaseModel):
    """What a statement gave."""

    value: Any = None


class Asking(Service, group="asking"):
    """Runs statements."""

    @operation(effect="read", scope="asking:read", example={"name": "only", "last": 1})
    async def rows(self, *, name: Word, last: Number) -> Answer:
        """Ask for rows."""
        return Answer(value=await getattr(sql, name)(last=last))

    @operation(effect="write", scope="asking:write", example={"keys": ["a"]})
    async def put(
        self,
        *,
        keys: Annotated[list[str], Field(description="Keys.")],
        at_once: Annotated[bool, Field(description="In one trip.")] = True,
    ) -> Answer:
        """Write rows."""
        if at_once:
            return Answer(value=await sql.put.each([{"key": key} for key in keys]))
        for key in keys:
            await sql.put(key=key)
        return Answer()

    @operation(effect="write", scope="asking:write", mode="none", example={"name": "only"})
    async def outside(self, *, name: Word) -> Answer:
        """Run a statement outside of a transaction."""
        if name == "each":
            return Answer(value=await sql.put.each([{"key": "x"}]))
        return Answer(value=await sql.only(last=1))

    @operation(effect="read", scope="asking:read")
    async def divide(self) -> Answer:
        """Fail without a declared error."""
        await sql.divide(by=0)
        return Answer()


OURS = {name: REGISTRY.pop(name) for name in list(REGISTRY) if name.startswith("asking.")}
SERVICES.pop("asking")


@pytest.fixture
def asking(moot: Moot, monkeypatch: pytest.MonkeyPatch) -> Asking:
    monkeypatch.setitem(SERVICES, "asking", Asking)
    for name, found in OURS.items():
        monkeypatch.setitem(REGISTRY, name, found)
    return Asking(moot.executor)


async def test_each_cardinality_gives_what_it_says(asking: Asking) -> None:
    assert (await asking.rows(name="numbers", last=3)).value == [1, 2, 3]
    assert (await asking.rows(name="numbers", last=0)).value == []
    assert (await asking.rows(name="only", last=1)).value == 1
    assert (await asking.rows(name="perhaps", last=1)).value == Row(number=1, name="x")
    assert (await asking.rows(name="perhaps", last=0)).value is None


@pytest.mark.parametrize(
    ("name", "last", "told"), [("only", 0, "0 rows"), ("only", 2, "2 rows"), ("perhaps", 2, "at most one")]
)
async def test_a_statement_that_breaks_its_cardinality_is_our_fault(
    asking: Asking, name: str, last: int, told: str
) -> None:
    with pytest.raises(Internal, match=told) as raised:
        await asking.rows(name=name, last=last)
    assert f"test_statements.sql:{name}" in raised.value.message


@pytest.mark.parametrize("at_once", [True, False])
async def test_a_declared_error_is_the_one_that_callers_see(asking: Asking, at_once: bool) -> None:
    assert (await asking.put(keys=["a", "b"], at_once=at_once)).value == (2 if at_once else None)
    with pytest.raises(Conflict) as told:
        await asking.put(keys=["c", "a"], at_once=at_once)
    assert type(told.value) is Conflict
    assert not isinstance(told.value, AlreadyExists)
    with pytest.raises(InvalidArguments):
        await asking.put(keys=[""], at_once=at_once)
    assert (await asking.put(keys=["c"], at_once=at_once)) is not None, "nothing of the refused call was kept"


async def test_what_is_not_declared_is_translated_by_its_class(asking: Asking) -> None:
    with pytest.raises(RuleBroken) as told:
        await asking.divide()
    assert "division" not in told.value.message


@pytest.mark.parametrize("name", ["only", "each"])
async def test_a_statement_needs_a_transaction(asking: Asking, name: str) -> None:
    with pytest.raises(Internal, match="outside of a transaction"):
        await asking.outside(name=name)


def test_every_declared_statement_is_known_by_its_place() -> None:
    known = {place for place in statements() if place.startswith("integration/test_statements.sql:")}
    assert len(known) == 5


def test_a_class_that_does_not_fit_its_file_is_refused() -> None:
    with pytest.raises(TypeError, match=r"only is Many; test_statements\.sql has one"):

        class Wrong(Queries):
            """Another cardinality."""

            file = "test_statements.sql"
            only: Many[int]

    with pytest.raises(TypeError, match="has nothing of that name"):

        class Absent(Queries):
            """A statement that is not there."""

            file = "test_statements.sql"
            nothing: Run

    with pytest.raises(TypeError, match="nothing uses numbers, only, perhaps, put"):

        class Sparse(Queries):
            """Uses one of five."""

            file = "test_statements.sql"
            divide: Run
