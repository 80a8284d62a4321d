"""The operations about operations, and the entries of a batch."""

from typing import Any, cast
from uuid import UUID

import pytest
from pydantic import BaseModel

import moothill.moot  # noqa: F401  # registers every service
from moothill.kernel.catalogue import Operations, find_operation, wire_batch
from moothill.kernel.context import Actor, Principal
from moothill.kernel.errors import NotFound
from moothill.kernel.local import LocalExecutor, Runtime
from moothill.kernel.operation import BatchCall
from moothill.kernel.service import REGISTRY

AGENT = Actor("agent", UUID(int=2), "bot")
OPERATOR = Actor("operator", UUID(int=3), "ada")


class Inner(BaseModel):
    """A model as an argument."""

    text: str


def operations(actor: Actor = OPERATOR) -> Operations:
    principal = Principal(tenant=UUID(int=1), tenant_slug="t", actor=actor, scopes=frozenset({"*"}))
    return Operations(LocalExecutor(Runtime(cast(Any, None)), principal))


async def test_operations_are_found_by_all_the_words() -> None:
    everything = {card.name for card in await operations().find()}
    assert everything == set(REGISTRY)
    found = {card.name for card in await operations().find(text="KEYS create")}
    assert "keys.create" in found
    assert found < everything
    assert await operations().find(text="keys nothing-like-it") == []


async def test_agents_do_not_see_what_they_may_not_call() -> None:
    seen = {card.name for card in await operations(AGENT).find()}
    assert seen == {name for name, found in REGISTRY.items() if found.audience != "operator"}


async def test_a_card_tells_everything_only_when_asked_for() -> None:
    (brief,) = [card for card in await operations().find(text="keys.create") if card.name == "keys.create"]
    assert (brief.effect, brief.scope, brief.kind, brief.input) == ("write", "keys:write", "call", None)
    whole = await operations().describe(operation="keys.create")
    assert whole.input is not None
    assert whole.input["required"] == ["name", "scopes"]
    assert whole.output is not None
    assert whole.example == REGISTRY["keys.create"].example
    assert whole.description.startswith(whole.summary)


async def test_an_unknown_operation_brings_the_nearest() -> None:
    with pytest.raises(NotFound, match=r'Did you mean "keys\.create"'):
        find_operation("keys.craete")
    with pytest.raises(NotFound) as told:
        await operations().describe(operation="zzz")
    assert told.value.operation == "zzz"


def test_the_entries_of_a_batch_travel_as_json() -> None:
    first = BatchCall(REGISTRY["keys.create"], {"name": "x"}, "first")
    arguments = {
        "model": Inner(text="x"),
        "place": first.result["key"].scopes[0],
        "several": [first.result["secret"], ("a", {1})],
        "looks_alike": {"$result": ["first"]},
        "told_apart": {"$literal": 1},
        "plain": {"a": {"b": None}},
    }
    (_, wired) = wire_batch([first, BatchCall(REGISTRY["keys.list"], arguments, "second")])
    assert wired == {
        "operation": "keys.list",
        "label": "second",
        "arguments": {
            "model": {"text": "x"},
            "place": {"$result": ["first", "key", "scopes", 0]},
            "several": [{"$result": ["first", "secret"]}, ["a", [1]]],
            "looks_alike": {"$literal": {"$result": ["first"]}},
            "told_apart": {"$literal": {"$literal": 1}},
            "plain": {"a": {"b": None}},
        },
    }


def test_a_reference_has_no_attributes_of_pythons_own() -> None:
    """Copying and pickling ask for such; a place in a result they are not."""
    reference = BatchCall(REGISTRY["keys.list"], {}, "x").result
    with pytest.raises(AttributeError):
        _ = reference.__deepcopy__
    assert reference.a.b[0].as_json() == {"$result": ["x", "a", "b", 0]}


def test_an_operation_is_shown_by_its_name() -> None:
    assert repr(REGISTRY["keys.create"]) == "<operation keys.create>"
