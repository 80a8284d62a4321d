"""Declaring operations: what is read from a signature, and what is refused at import time."""

import itertools
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from moothill.kernel import REGISTRY, SERVICES, Plan, Service, Step, job, operation, stream
from moothill.kernel.operation import Operation
from moothill.kernel.service import HANDLERS, SCHEDULES
from moothill.kernel.signature import InvalidArguments, check_plain, read_signature
from moothill.kernel.spelling import spell

Name = Annotated[str, Field(min_length=1, max_length=20, description="A name.")]
_numbers = itertools.count()


class Inner(BaseModel):
    """A nested thing."""

    text: str = "x"


@pytest.fixture(autouse=True)
def clean_registry() -> Iterator[None]:
    before = (dict(REGISTRY), dict(SERVICES), dict(SCHEDULES), dict(HANDLERS))
    yield
    for registry, kept in zip((REGISTRY, SERVICES, SCHEDULES, HANDLERS), before, strict=True):
        registry.clear()  # type: ignore[attr-defined]
        registry.update(kept)  # type: ignore[attr-defined]


def declared(body: Any, **keywords: Any) -> Operation[Any, Any]:
    keywords = {"effect": "read", "scope": "things:read", **keywords}
    kind = type(f"Things{next(_numbers)}", (Service,), {body.__name__: operation(**keywords)(body)}, group="things")
    found: Operation[Any, Any] = kind.operations[body.__name__]  # type: ignore[attr-defined]
    return found


def test_a_name_is_group_and_verb_everywhere() -> None:
    async def get(self: Any, *, name: Name) -> Inner:
        """Get it."""
        return Inner(text=name)

    found = declared(get, example={"name": "a b"})
    assert (found.name, found.summary, found.answers_get) == ("things.get", "Get it.", True)
    spelled = spell(found, found.example)
    assert spelled["python"] == "await moot.things.get(name='a b')"
    assert spelled["cli"] == "moothill things get 'a b'"
    assert "/v1/things/get" in spelled["http"]
    assert '"things_get"' in spelled["mcp"]


def test_a_read_of_models_answers_post_only() -> None:
    async def get(self: Any, *, inner: Annotated[Inner, Field(description="A model.")]) -> Inner:
        """Get it."""
        return inner

    assert not declared(get).answers_get


def test_a_write_never_answers_get() -> None:
    async def put(self: Any, *, name: Name) -> Inner:
        """Put it."""
        return Inner(text=name)

    assert not declared(put, effect="write").answers_get


def positional(self: Any, name: str) -> None:
    """Positional."""


def unannotated(self: Any, *, name) -> None:  # type: ignore[no-untyped-def]
    """No annotation."""


def union(self: Any, *, name: Annotated[str | int, Field(description="x")]) -> None:
    """A union."""


def anything(self: Any, *, name: Any) -> None:
    """Anything."""


def no_return(self: Any, *, name: Name):  # type: ignore[no-untyped-def]
    """No return."""


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        (positional, "keyword-only"),
        (unannotated, "annotation"),
        (union, "union"),
        (anything, "Any"),
        (no_return, "return annotation"),
    ],
)
def test_what_no_door_could_render_is_refused_by_name(body: Any, complaint: str) -> None:
    with pytest.raises(TypeError, match=complaint) as raised:
        read_signature("things.bad", body, stream=False)
    assert "things.bad" in str(raised.value)


def test_an_undescribed_parameter_is_refused() -> None:
    async def get(self: Any, *, name: str) -> Inner:
        """Get it."""
        return Inner(text=name)

    with pytest.raises(TypeError, match=r"things\.get\(name\): describe it"):
        declared(get)


def test_an_operation_without_a_docstring_is_refused() -> None:
    async def get(self: Any) -> Inner:
        return Inner()

    with pytest.raises(TypeError, match="docstring"):
        declared(get)


def test_a_destroying_operation_needs_a_plan() -> None:
    async def purge(self: Any) -> Inner:
        """Purge it."""
        return Inner()

    with pytest.raises(TypeError, match="dry run"):
        declared(purge, effect="destroy")

    class Purgers(Service, group="purgers"):
        """Things that go."""

        @operation(effect="destroy", scope="x:y")
        async def purge(self) -> Inner:
            """Purge it."""
            return Inner()

        @purge.plan
        async def _plan(self) -> Plan:
            return Plan(summary="would go")

    assert Purgers.operations["purge"].plan_body is not None


def test_a_group_belongs_to_one_service() -> None:
    class One(Service, group="only"):
        """One."""

    with pytest.raises(TypeError, match="belongs to"):

        class Two(Service, group="only"):
            """Two."""


def test_a_stream_returns_an_iterator_and_a_job_a_step() -> None:
    class Long(Service, group="long"):
        """Long things."""

        @stream(scope="long:read")
        async def follow(self, *, name: Name) -> AsyncIterator[Inner]:
            """Follow it."""
            yield Inner(text=name)

        @job(effect="write", scope="long:write")
        async def rebuild(self, *, name: Name) -> Step:
            """Rebuild it."""
            return Step(done=1)

    assert Long.operations["follow"].signature.output_type is Inner
    assert Long.operations["rebuild"].signature.output_type.__name__ == "Job"
    with pytest.raises(TypeError, match="AsyncIterator"):
        read_signature("long.bad", Long.operations["rebuild"].body, stream=True)


async def typed(
    self: Any,
    *,
    name: Name,
    count: Annotated[int, Field(ge=0, le=10, description="How many.")] = 1,
    ids: Annotated[list[UUID] | None, Field(description="Ids.")] = None,
    kind: Annotated[Literal["a", "b"], Field(description="Kind.")] = "a",
    share: Annotated[Decimal | None, Field(description="Share.")] = None,
    wait: Annotated[timedelta | None, Field(description="Wait.")] = None,
) -> Inner:
    """Take many things."""
    return Inner()


def test_arguments_are_converted_like_at_any_door() -> None:
    signature = read_signature("things.typed", typed, stream=False)
    valid = signature.validate({"name": "x", "count": "7", "ids": [str(UUID(int=1))], "share": "0.5", "wait": "PT1M"})
    assert valid == {
        "name": "x",
        "count": 7,
        "ids": [UUID(int=1)],
        "kind": "a",
        "share": Decimal("0.5"),
        "wait": timedelta(minutes=1),
    }
    assert all(parameter.is_plain for parameter in signature.parameters)


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({}, "name"),
        ({"name": ""}, "name"),
        ({"name": "x" * 10_000}, "name"),
        ({"name": "a\x00b"}, "name"),
        ({"name": "\ud800"}, "name"),
        ({"name": "x", "count": -1}, "count"),
        ({"name": "x", "kind": "c"}, "kind"),
        ({"name": "x", "ids": ["nope"]}, "ids.0"),
        ({"name": "x", "colour": "red"}, "colour"),
    ],
)
def test_bad_arguments_name_the_field(arguments: dict[str, Any], field: str) -> None:
    signature = read_signature("things.typed", typed, stream=False)
    with pytest.raises(InvalidArguments) as raised:
        signature.validate(arguments)
    assert raised.value.field == field
    assert field in raised.value.message


def test_deep_nesting_is_refused() -> None:
    deep: Any = "x"
    for _ in range(40):
        deep = [deep]
    with pytest.raises(InvalidArguments, match="nests deeper"):
        check_plain({"a": deep})
    with pytest.raises(InvalidArguments, match="NUL"):
        check_plain({"a": {"b\x00": 1}})
    with pytest.raises(InvalidArguments, match="NUL"):
        check_plain({"a": Inner(text="\x00")})


@given(st.recursive(st.one_of(st.none(), st.text(), st.integers()), lambda inner: st.lists(inner), max_leaves=30))
def test_checking_never_fails_otherwise(value: Any) -> None:
    try:
        check_plain({"value": value})
    except InvalidArguments as error:
        assert error.rule in ("nul", "surrogate", "depth")


def test_every_operation_has_what_every_door_needs() -> None:
    import moothill.moot  # noqa: F401  # registers every service

    ours = {name: found for name, found in REGISTRY.items() if found.body.__module__.startswith("moothill.")}
    assert len(ours) > 10
    for name, found in ours.items():
        assert found.summary, name
        assert found.scope.count(":") == 1, name
        found.signature.validate(found.example)
        found.signature.input_model.model_json_schema()
        found.signature.output.json_schema(mode="serialization")
