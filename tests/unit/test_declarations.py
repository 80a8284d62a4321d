"""What a declaration must keep: each fault is named when its class is made."""

import enum
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, NewType
from uuid import UUID

import pytest
from pydantic import BaseModel, Field, SecretStr

from moothill.kernel import SERVICES, Plan, Service, identifiers, job, operation
from moothill.kernel.context import Actor, Context, Principal
from moothill.kernel.events import EVENT_KINDS, EventPayload
from moothill.kernel.identifiers import uuid7, uuid7_time
from moothill.kernel.operation import Operation
from moothill.kernel.service import REGISTRY, scheduled
from moothill.kernel.signature import InvalidArguments, Signature, canonical_arguments, check_plain, read_signature
from moothill.kernel.spelling import spell_cli

Name = Annotated[str, Field(description="A name.")]
AgentId = NewType("AgentId", UUID)


class Colour(enum.Enum):
    """A colour."""

    RED = "red"


class Inner(BaseModel):
    """A nested thing."""

    text: str = "x"


@pytest.fixture(autouse=True)
def clean_registry() -> Iterator[None]:
    before = (dict(REGISTRY), dict(SERVICES), dict(EVENT_KINDS))
    yield
    for registry, kept in zip((REGISTRY, SERVICES, EVENT_KINDS), before, strict=True):
        registry.clear()  # type: ignore[attr-defined]
        registry.update(kept)  # type: ignore[attr-defined]


async def get(self: Any) -> Inner:
    """Get it."""
    return Inner()


def declare(found: Operation[Any, Any], verb: str = "get") -> None:
    type("Things", (Service,), {verb: found}, group="things")


def read(**more: Any) -> Operation[Any, Any]:
    given = {"effect": "read", "scope": "things:read", **more}
    made: Operation[Any, Any] = operation(**given)(get)
    return made


@pytest.mark.parametrize("verb", ["Get", "9get", "gét"])
def test_a_verb_is_a_word(verb: str) -> None:
    with pytest.raises(TypeError, match="a verb is made of"):
        declare(read(), verb)


def test_what_prepares_a_schedule_exists() -> None:
    @scheduled(every=timedelta(hours=1), prepare="gather")
    async def tidy(self: Service) -> None:
        """Tidy up."""

    with pytest.raises(TypeError, match=r"things\.tidy is prepared by gather, which does not exist"):
        type("Things", (Service,), {"tidy": tidy, "__doc__": "Things."}, group="things")


@pytest.mark.parametrize("verb", ["executor", "group", "operations"])
def test_a_verb_that_every_service_has_is_reserved(verb: str) -> None:
    with pytest.raises(TypeError, match="reserved"):
        declare(read(), verb)


def test_an_annotation_that_is_an_operation_of_the_class_is_told() -> None:
    """`list` in a class with an operation of that name is that operation, not the builtin."""

    async def every(self: Any) -> Any:
        """Every one."""

    listing = read()
    every.__annotations__["return"] = listing
    with pytest.raises(TypeError, match=r"things\.every: .*'list' of this class"):
        type(
            "Things",
            (Service,),
            {"list": listing, "every": operation(effect="read", scope="things:read")(every)},
            group="things",
        )


def test_a_job_writes() -> None:
    async def rebuild(self: Any) -> Any:
        """Rebuild it."""

    with pytest.raises(TypeError, match="a long read is a stream"):
        declare(job(effect="read", scope="things:read")(rebuild), "rebuild")  # type: ignore[arg-type]


def test_a_plan_is_asynchronous_and_takes_keywords() -> None:
    def sober(self: Any) -> Plan:
        return Plan(summary="")

    async def positional(self: Any, name: str) -> Plan:
        return Plan(summary=name)

    found = operation(effect="destroy", scope="things:write")(get)
    for plan, complaint in ((sober, "must be `async def`"), (positional, "takes keywords only")):
        found.plan_body = plan  # type: ignore[assignment]
        with pytest.raises(TypeError, match=f"its plan {complaint}"):
            declare(found)


def test_an_example_gives_what_is_required_and_no_more() -> None:
    async def put(self: Any, *, name: Name, size: Name) -> Inner:
        """Put it."""
        return Inner()

    for example, complaint in (({"name": "x"}, "lacks size"), ({"name": "x", "size": "y", "hue": 1}, "gives hue")):
        with pytest.raises(TypeError, match=complaint):
            declare(operation(effect="write", scope="things:write", example=example)(put), "put")


def test_a_kind_of_event_belongs_to_one_class() -> None:
    class Happened(EventPayload, kind="tests.happened"):
        """It happened."""

    with pytest.raises(TypeError, match=r"'tests\.happened' is already .*Happened"):

        class Again(EventPayload, kind="tests.happened"):
            """It happened again."""


# --- arguments


async def typed(
    self: Any,
    *,
    agent: Annotated[AgentId, Field(description="An id with a name of its own.")],
    inner: Annotated[Inner | None, Field(description="A model.")] = None,
    colour: Annotated[str | None, Field(description="A colour.")] = None,
) -> Inner:
    """Take them."""
    return Inner()


def test_an_id_with_a_name_of_its_own_is_an_id() -> None:
    signature = read_signature("things.typed", typed, stream=False)
    assert signature.parameters[0].is_positional
    assert signature.parameters[0].bare is UUID
    assert signature.validate({"agent": str(UUID(int=5))})["agent"] == UUID(int=5)


def test_what_stands_inside_of_models_and_lists_is_checked_too() -> None:
    for value in ({"a": Inner(text="\x00")}, {"a": [1.0, "\x00"]}, Inner(text="\x00")):
        with pytest.raises(InvalidArguments, match="NUL"):
            check_plain(value)
    check_plain({"a": [Inner(), 1, 2.0, None, b"\x00"]})


def test_arguments_of_every_type_have_bytes() -> None:
    def canonical(value: Any) -> bytes:
        return canonical_arguments(Signature("things.any", (), {"a": (Any, ...)}, None), {"a": value})

    assert canonical(Colour.RED) == canonical("red")
    assert canonical(SecretStr("a")) == canonical(SecretStr("a")) != canonical("a")
    assert canonical(UUID(int=1)) == canonical(UUID(int=1)) != canonical(str(UUID(int=1)))
    assert canonical(timedelta(seconds=1)) == canonical(timedelta(milliseconds=1000)) != canonical(1_000_000)
    assert canonical(datetime(2026, 1, 1)) != canonical(datetime(2026, 1, 1, tzinfo=UTC))  # noqa: DTZ001


def test_what_is_not_given_is_not_spelled() -> None:
    found = operation(effect="read", scope="things:read", example={"agent": "x"})(typed)
    found.group = "things"
    given = {"agent": "x", "colour": None, "inner": None}
    assert spell_cli(found, given) == "moothill things typed x"


# --- ids and envelopes


def test_ids_rise_when_more_are_made_than_a_millisecond_has_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    # Put back afterwards: ids never fall, so all later ones of this process would lie in that January, too.
    monkeypatch.setattr(identifiers, "_last_millisecond", 0)
    monkeypatch.setattr("moothill.kernel.identifiers.time.time_ns", lambda: 1_800_000_000_000_000_000)
    made = [uuid7() for _ in range(10_000)]
    assert made == sorted(set(made))
    assert uuid7_time(made[-1]) > uuid7_time(made[0])


def test_a_statement_that_writes_its_own_event_is_told_who_acts() -> None:
    operator, agent = Actor("operator", UUID(int=1), "ada"), Actor("agent", UUID(int=2), "bot")
    for real in (None, operator):
        principal = Principal(
            tenant=UUID(int=9), tenant_slug="t", actor=agent, real_actor=real, scopes=frozenset({"*"})
        )
        call = Context(principal=principal, operation="things.put")
        told = call.envelope()
        assert (told["actor"], told["actor_kind"], told["actor_name"]) == (agent.id, "agent", "bot")
        assert told["real_actor"] == (real and real.id)
        assert (told["operation"], told["request"], told["reason"]) == ("things.put", call.request_id, None)
        assert told["event_id"].version == 7
