"""Declaring operations: what is read from a signature, and what is refused at import time."""

import itertools
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import AwareDatetime, BaseModel, Field, SecretStr

from moothill.kernel import REGISTRY, SERVICES, Plan, Service, Step, job, operation, stream
from moothill.kernel.declarations import RESERVED_GROUPS
from moothill.kernel.errors import Internal
from moothill.kernel.events import EventPayload
from moothill.kernel.operation import BoundOperation, Operation, Reference
from moothill.kernel.service import HANDLERS, SCHEDULES
from moothill.kernel.signature import (
    InvalidArguments,
    Signature,
    canonical_arguments,
    check_plain,
    read_signature,
)
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

    assert not declared(get, example={"inner": {}}).answers_get


def test_a_write_never_answers_get() -> None:
    async def put(self: Any, *, name: Name) -> Inner:
        """Put it."""
        return Inner(text=name)

    assert not declared(put, effect="write", example={"name": "x"}).answers_get


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


def naive(self: Any, *, since: Annotated[datetime | None, Field(description="Since.")]) -> None:
    """No zone."""


def hidden(self: Any, *, _name: Name) -> None:
    """An underscore."""


@pytest.mark.parametrize(("body", "complaint"), [(naive, "AwareDatetime"), (hidden, "underscore")])
def test_a_moment_without_zone_and_a_hidden_name_are_refused(body: Any, complaint: str) -> None:
    with pytest.raises(TypeError, match=complaint):
        read_signature("things.bad", body, stream=False)


def test_a_moment_with_its_zone_is_plain_at_every_door() -> None:
    async def since(self: Any, *, moment: Annotated[AwareDatetime, Field(description="When.")]) -> Inner:
        """Since then."""
        return Inner()

    signature = read_signature("things.since", since, stream=False)
    assert signature.parameters[0].is_plain
    assert signature.parameters[0].bare is datetime
    with pytest.raises(InvalidArguments, match="timezone"):
        signature.validate({"moment": "2026-01-01T00:00:00"})


async def plain(self: Any, *, name: Name = "x") -> Inner:
    """Plain."""
    return Inner(text=name)


def no_coroutine(self: Any) -> Inner:
    """Not async."""
    return Inner()


async def yields(self: Any) -> AsyncIterator[Inner]:
    """A stream, declared a call."""
    yield Inner()


async def executor(self: Any) -> Inner:
    """A name that every service has."""
    return Inner()


@pytest.mark.parametrize(
    ("body", "keywords", "complaint"),
    [
        (plain, {"scope": "things"}, "scope 'things'"),
        (plain, {"scope": "Things:read"}, "scope"),
        (plain, {"scope": "a:b:c"}, "scope"),
        (plain, {"effect": "reed"}, "effect 'reed'"),
        (plain, {"mode": "steps"}, "mode 'steps'"),
        (plain, {"audience": "nobody"}, "audience 'nobody'"),
        (plain, {"example": {"nome": "x"}}, "nome, which it does not take"),
        (executor, {}, "'executor' is reserved"),
        (no_coroutine, {}, "async def"),
        (yields, {}, "without `yield`"),
    ],
)
def test_a_malformed_declaration_is_refused_by_name(body: Any, keywords: dict[str, Any], complaint: str) -> None:
    with pytest.raises(TypeError, match=complaint) as raised:
        declared(body, **keywords)
    assert f"things.{body.__name__}" in str(raised.value)
    assert "things" not in SERVICES
    assert f"things.{body.__name__}" not in REGISTRY


def test_a_required_parameter_needs_an_example_and_a_valid_one() -> None:
    async def get(self: Any, *, name: Name) -> Inner:
        """Get it."""
        return Inner(text=name)

    with pytest.raises(TypeError, match=r"things\.get has no example.*name"):
        declared(get)
    with pytest.raises(TypeError, match=r"things\.get: its example is not valid: .*name"):
        declared(get, example={"name": ""}).check_example()


def test_a_stream_that_is_no_generator_is_refused() -> None:
    with pytest.raises(TypeError, match=r"flows\.follow.*async generator"):

        class Flows(Service, group="flows"):
            """Flows."""

            @stream(scope="flows:read")  # type: ignore[arg-type]
            async def follow(self) -> AsyncIterator[Inner]:
                """Follow."""
                raise NotImplementedError


@pytest.mark.parametrize("phase", ["plan", "prepare"])
def test_a_phase_takes_what_the_operation_takes(phase: str) -> None:
    async def put(self: Any, *, name: Name = "x") -> Inner:
        """Put."""
        return Inner()

    async def other(self: Any, *, nome: str) -> Plan:
        return Plan(summary=nome)

    async def rest(self: Any, **_: Any) -> Plan:
        return Plan(summary="")

    found = operation(effect="write", scope="things:write")(put)
    getattr(found, phase)(other)
    with pytest.raises(TypeError, match=rf"things\.put: its {phase} must take the same .*name, nome"):
        type("Phases", (Service,), {"put": found}, group="things")
    getattr(found, phase)(rest)
    type("Phases", (Service,), {"put": found}, group="things")


def test_reserved_groups_are_what_the_facade_has_beside_its_subsystems() -> None:
    from moothill.moot import Moot

    own = {name for name in vars(Moot) if not name.startswith("_")} | {"executor", "session"}
    assert own - set(Moot.__annotations__) == RESERVED_GROUPS
    for group in (*RESERVED_GROUPS, "A b"):
        with pytest.raises(TypeError, match="the group"):
            type("Any", (Service,), {}, group=group)


def test_two_operations_are_never_one_tool() -> None:
    async def c(self: Any) -> Inner:
        """One."""
        return Inner()

    async def b_c(self: Any) -> Inner:
        """Other."""
        return Inner()

    read = operation(effect="read", scope="a:read")
    type("First", (Service,), {"c": read(c)}, group="a_b")
    with pytest.raises(TypeError, match=r"a\.b_c and a_b\.c would both be the MCP tool 'a_b_c'"):
        type("Second", (Service,), {"b_c": read(b_c)}, group="a")


def test_an_operation_that_hides_a_builtin_says_so() -> None:
    with pytest.raises(TypeError, match="'list' hides the builtin"):

        class Hiding(Service, group="hiding"):
            """Hides list."""

            @operation(effect="read", scope="hiding:read")
            async def list(self) -> Inner:
                """List."""
                return Inner()

            @operation(effect="read", scope="hiding:read")
            async def all(self) -> list[Inner]:  # type: ignore[valid-type]
                """All."""
                return []


def test_positional_arguments_are_refused_by_name() -> None:
    found = declared(plain)
    bound = SERVICES["things"](None).plain  # type: ignore[arg-type,attr-defined]
    for call in (bound, bound.plan, bound.call):
        with pytest.raises(TypeError, match=r"things\.plain takes keywords only: things\.plain\(name=\.\.\.\)"):
            call("x")
    assert found.verb == "plain"


def test_a_result_that_cannot_travel_is_ours_and_not_repeated() -> None:
    signature = read_signature("things.plain", plain, stream=False)
    with pytest.raises(Internal, match=r"things\.plain returned a object") as raised:
        signature.dump(object())
    assert "0x" not in raised.value.message


def test_an_event_is_named_and_described() -> None:
    with pytest.raises(TypeError, match="'Happened' is not of the form"):

        class Happened(EventPayload, kind="Happened"):
            """It happened."""

    with pytest.raises(TypeError, match=r"Occurred\.size: describe it"):

        class Occurred(EventPayload, kind="tests.occurred"):
            """It occurred."""

            size: int


def canonical(**arguments: Any) -> bytes:
    fields = dict.fromkeys(arguments, (Any, ...))
    return canonical_arguments(Signature("things.any", (), fields, None), arguments)


def test_equal_arguments_have_equal_bytes_in_every_process() -> None:
    noon = datetime(2026, 1, 1, 12, tzinfo=UTC)
    assert canonical(a={"b": 1, "a": 2}) == canonical(a={"a": 2, "b": 1})
    assert canonical(a={"one", "two", "three"}) == canonical(a=frozenset({"three", "two", "one"}))
    assert canonical(a=1) == canonical(a=1.0)
    assert canonical(a=0.0) == canonical(a=-0.0)
    assert canonical(a=Decimal("1.50")) == canonical(a=Decimal("1.5"))
    assert canonical(a=noon) == canonical(a=noon.astimezone(timezone(timedelta(hours=2))))
    assert canonical(a=Inner(text="x")) == canonical(a=Inner(text="x"))
    # Text that looks like something else is not it.
    others = [canonical(a=value) for value in (b"\xff", "/w==", "1", 1, True, None, "None", [1], {1}, {"1": 1}, 0.1)]
    assert len(set(others)) == len(others)
    assert canonical(a=SecretStr("a")) != canonical(a=SecretStr("b"))
    assert canonical(a=Decimal("0.1234567890123456789012345678901")) != canonical(
        a=Decimal("0.1234567890123456789012345678902")
    )
    assert canonical(a={"x", "y"}, b=b"\xff") == (
        b'things.any\n["map",[["a",["set",["x","y"]]],["b",["bytes","/w=="]]]]'
    )


@given(st.dictionaries(st.text(), st.one_of(st.floats(), st.decimals(), st.binary(), st.text(), st.integers())))
def test_any_values_have_bytes(value: dict[str, Any]) -> None:
    assert canonical(a=value) == canonical(a=dict(reversed(value.items())))


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

        @stream(scope="long:read", example={"name": "x"})
        async def follow(self, *, name: Name) -> AsyncIterator[Inner]:
            """Follow it."""
            yield Inner(text=name)

        @job(effect="write", scope="long:write", example={"name": "x"})
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
        found.check_example()
        found.signature.input_model.model_json_schema()
        found.signature.output.json_schema(mode="serialization")


def test_a_place_in_a_result_is_no_sequence() -> None:
    with pytest.raises(TypeError, match="not iterable"):
        iter(Reference(("c1",)))


def test_call_options_add_up() -> None:
    async def get(self: Any, *, name: Name) -> Inner:
        """Get it."""
        return Inner(text=name)

    bound: BoundOperation[..., Any] = BoundOperation(declared(get, example={"name": "x"}), Service.__new__(Service))
    both = bound.options(reason="because").options(idempotency_key="k").options(reason="rather")
    assert (both.call_options.reason, both.call_options.idempotency_key) == ("rather", "k")
