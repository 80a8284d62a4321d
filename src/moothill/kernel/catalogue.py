"""The operations about operations: find one, describe it, run several in one transaction."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from .context import CallOptions, context
from .errors import Invalid, MoothillError, NotFound, near_match
from .operation import BatchCall, Operation, Reference, operation
from .service import REGISTRY, Service

__all__ = ["BatchEntry", "BatchOutcome", "OperationCard", "Operations", "find_operation", "wire_batch"]

OperationName = Annotated[
    str,
    Field(
        min_length=1,
        max_length=100,
        description="Name of an operation: `group.verb`.",
        examples=["agents.get"],
    ),
]


class UnknownOperation(NotFound):
    """There is no operation with this name."""


class OperationCard(BaseModel):
    """What there is to know about an operation."""

    model_config = ConfigDict(frozen=True)

    name: str = Field(description="`group.verb`, the same at every door.")
    summary: str = Field(description="What it does, in one line.")
    effect: Literal["read", "write", "destroy"] = Field(description="What it does to the data.")
    scope: str = Field(description="What a key needs to call it.")
    audience: Literal["agent", "operator", "anyone"] = Field(description="Whom it is meant for.")
    kind: Literal["call", "stream", "job"] = Field(description="How it answers.")
    description: str = Field("", description="The whole documentation.")
    input: dict[str, Any] | None = Field(None, description="JSON Schema of the arguments.")
    output: dict[str, Any] | None = Field(None, description="JSON Schema of the result.")
    example: dict[str, Any] | None = Field(None, description="Arguments that work in the example society.")


class BatchEntry(BaseModel):
    """One call of a batch."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    operation: OperationName
    arguments: dict[str, Any] = Field(
        default_factory=dict,
        description='Its arguments; `{"$result": ["label", "field"]}` stands for a place in an earlier result, '
        'and `{"$literal": x}` for x as it is, whatever it looks like.',
    )
    label: str | None = Field(None, max_length=100, description="Name for references; default: its position, from 0.")


class BatchOutcome(BaseModel):
    """Results of a batch, in the order of its calls."""

    model_config = ConfigDict(frozen=True)

    results: list[Any] = Field(description="One result for each call.")


def find_operation(name: str) -> Operation[Any, Any]:
    """The operation of a name.

    Raises:
        UnknownOperation: with the nearest name that exists.
    """
    found = REGISTRY.get(name)
    if found is None:
        raise UnknownOperation(f"There is no operation {name!r}.{near_match(name, REGISTRY)}", operation=name)
    return found


def card(found: Operation[Any, Any], *, whole: bool) -> OperationCard:
    """The card of an operation; `whole` adds schemas and documentation."""
    brief = OperationCard(
        name=found.name,
        summary=found.summary,
        effect=found.effect,
        scope=found.scope,
        audience=found.audience,
        kind=found.kind,
    )
    if not whole:
        return brief
    return brief.model_copy(
        update={
            "description": (found.body.__doc__ or "").strip(),
            "input": found.signature.input_model.model_json_schema(),
            "output": found.signature.output.json_schema(mode="serialization"),
            "example": found.example,
        }
    )


class Operations(Service, group="operations"):
    """What can be done here, and doing several things at once."""

    @operation(effect="read", scope="operations:read", mode="none", audience="agent", example={"text": "agents"})
    async def find(
        self,
        *,
        text: Annotated[str, Field(max_length=200, description="Words to look for in names and summaries.")] = "",
    ) -> Sequence[OperationCard]:
        """Operations whose name or summary holds all the words."""
        words = text.lower().replace(".", " ").split()
        principal = context().principal
        found = []
        for name, each in sorted(REGISTRY.items()):
            hidden = each.audience == "operator" and principal.actor.kind == "agent"
            text_of = f"{name} {each.summary}".lower()
            if not hidden and all(word in text_of for word in words):
                found.append(card(each, whole=False))
        return found

    @operation(
        effect="read",
        scope="operations:read",
        mode="none",
        audience="agent",
        example={"operation": "agents.get"},
    )
    async def describe(self, *, operation: OperationName) -> OperationCard:
        """Everything about one operation: arguments, result, scope, an example."""
        return card(find_operation(operation), whole=True)

    @operation(
        effect="write",
        scope="operations:batch",
        example={"calls": [{"operation": "agents.list", "arguments": {"limit": 1}}]},
    )
    async def batch(
        self,
        *,
        calls: Annotated[list[BatchEntry], Field(min_length=1, max_length=100, description="The calls, in order.")],
    ) -> BatchOutcome:
        """Run several operations in one transaction: all of them or none; later ones may use earlier results."""
        results: dict[str, Any] = {}
        ordered: list[Any] = []
        for position, entry in enumerate(calls):
            found = find_operation(entry.operation)
            if found.kind != "call" or found.name == "operations.batch":
                raise Invalid(f"calls.{position}: {found.name} cannot be part of a batch.", field=f"calls.{position}")
            arguments = _resolve(entry.arguments, results, f"calls.{position}")
            try:
                result = await self.executor.run(found, arguments, CallOptions())
            except MoothillError as error:
                error.context["position"] = position
                raise
            ordered.append(found.signature.dump(result))
            results.setdefault(str(position), ordered[-1])
            if entry.label is not None:
                results[entry.label] = ordered[-1]
        return BatchOutcome(results=ordered)


def _resolve(value: Any, results: Mapping[str, Any], where: str) -> Any:
    if isinstance(value, Mapping):
        if set(value) == {"$result"}:
            return _look_up(value["$result"], results, where)
        if set(value) == {"$literal"}:
            return value["$literal"]
        return {key: _resolve(item, results, f"{where}.{key}") for key, item in value.items()}
    if isinstance(value, list):
        return [_resolve(item, results, f"{where}.{index}") for index, item in enumerate(value)]
    return value


def _look_up(path: Any, results: Mapping[str, Any], where: str) -> Any:
    try:
        place: Any = results[str(path[0])]
        for key in path[1:]:
            place = place[key]
    except (KeyError, IndexError, TypeError):
        raise Invalid(f"{where}: {path!r} is no place in an earlier result of this batch.", field=where) from None
    return place


def wire_batch(calls: Sequence[BatchCall]) -> list[dict[str, Any]]:
    """The calls of a batch as `operations.batch` takes them, references included."""
    return [
        {"operation": call.operation.name, "arguments": _plain(call.arguments), "label": call.label} for call in calls
    ]


def _plain(value: Any) -> Any:
    if isinstance(value, Reference):
        return value.as_json()
    if isinstance(value, BaseModel):
        return _plain(value.model_dump(mode="json"))
    if isinstance(value, Mapping):
        plain = {key: _plain(item) for key, item in value.items()}
        # Data that looks like a reference is data: an agent's text must not reach for another result.
        return {"$literal": plain} if set(plain) in ({"$result"}, {"$literal"}) else plain
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in value]
    return value
