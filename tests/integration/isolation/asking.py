"""Operations asked about things of another tenant: where their references are, and what they answered."""

import re
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from itertools import pairwise
from typing import Any
from uuid import UUID

from moothill.kernel.context import CallOptions
from moothill.kernel.errors import MoothillError
from moothill.kernel.identifiers import uuid7
from moothill.kernel.operation import Operation
from moothill.kernel.service import REGISTRY
from moothill.moot import Moot
from tests.integration.isolation.societies import HANDLER, Society

__all__ = [
    "FREE",
    "FREE_AT",
    "KINDS",
    "Answer",
    "Path",
    "arguments",
    "ask",
    "in_vain",
    "operations",
    "references",
    "required",
    "stranger",
    "suspects",
]

Path = tuple[str | int, ...]

# What a parameter of this name refers to: the attribute of a society that holds such a reference.
KINDS: Mapping[str, str] = {
    "account": "account",
    "agent": "agent",
    "subject": "agent",
    "actor": "agent",
    "capability": "capability",
    "event": "event",
    "grant": "grant",
    "hold": "hold",
    "item": "item",
    "job": "job",
    "key": "key",
    "owner": "partner",
    "session": "session",
    "relationship": "relationship",
    "skill": "skill",
    "source": "agent",
    "target": "companion",
    "task": "task",
    "on": "task",
    "parent": "task",
    "tasks": "task",
    "tenant": "id",
}
# Look like references and are none: the caller makes them, or they are words to look for.
FREE = {
    "accessor",
    "agent_id",
    "chunk_id",
    "evidence",
    "task_id",
    "token",
    "unique_key",
    "worker",
}
FREE_AT: set[tuple[str, Path]] = {
    ("agents.choose", ("capability",)),
    ("agents.choose", ("skill",)),
    ("agents.list", ("filter", "capability")),
    ("agents.set_skill", ("skill",)),
    ("relationships.observe", ("observations", 0, "task")),
    ("tasks.enqueue", ("details", "requirements", "capability")),
    ("tasks.enqueue_many", ("tasks", 0, "requirements", "capability")),
    ("tasks.load", ("tasks", 0, "requirements", "capability")),
    # Lists; what new tasks refer to stands inside of them, and is found like their parent.
    ("tasks.enqueue_many", ("tasks", 0, "depends_on")),
    ("tasks.load", ("tasks", 0, "depends_on")),
    ("tasks.redrive", ("tasks",)),
    ("tasks.enqueue_many", ("tasks",)),
    ("tasks.load", ("tasks",)),
    # A place in a round of all tenants, for who runs the platform.
    ("tasks.tenants", ("after",)),
    # Whom to grant to is another tenant by its nature; nobody guesses an id.
    ("sharing.grant", ("tenant",)),
}
_HINT = re.compile(r"( Did you mean \"[^\"]*\"\?| `[a-z_.]+` shows [^.;]*\.?)")


@dataclass(frozen=True, slots=True)
class Answer:
    """What an operation answered, with the reference that was given taken out of it.

    Attributes:
        code: of the error; empty when it went through.
        text: the whole answer.
    """

    code: str
    text: str

    def __str__(self) -> str:
        return f"{self.code or 'went through'}: {self.text[:300]}"


def suspects(operation: Operation[Any, Any]) -> Iterator[Path]:
    """Places in the arguments that may name a thing: by type, by name, or by what is said of them."""
    schema = operation.signature.input_model.model_json_schema()
    for path, said in _places(schema, schema.get("$defs", {}), ()):
        name = path[-1]
        if name in KINDS or "'uuid'" in str(said) or re.search(r"\b([Ii]d|[Ss]lug)\b", said.get("description", "")):
            yield path


def references(operation: Operation[Any, Any]) -> Iterator[tuple[Path, str]]:
    """Places that name a thing of a tenant, and what kind of thing."""
    for path in suspects(operation):
        name = str(path[-1])
        if name in KINDS and (operation.name, path) not in FREE_AT:
            yield path, KINDS[name]


def _places(
    schema: Mapping[str, Any], known: Mapping[str, Any], path: Path
) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    if "$ref" in schema:
        schema = {**known[schema["$ref"].rpartition("/")[2]], **schema}
    for each in (*schema.get("anyOf", ()), *schema.get("allOf", ())):
        yield from _places(each, known, path)
    if "items" in schema:
        yield from _places(schema["items"], known, (*path, 0))
    for name, inner in schema.get("properties", {}).items():
        yield (*path, name), inner
        yield from _places(inner, known, (*path, name))


def stranger(value: str | UUID) -> str:
    """A reference of the same form that nobody has."""
    return str(uuid7()) if isinstance(value, UUID) else f"{value[:-1]}f"


def arguments(operation: Operation[Any, Any], society: Society, path: Path = (), value: Any = None) -> dict[str, Any]:
    """The operation's example with the things of a society in it, and one value put at a place."""
    made: dict[str, Any] = deepcopy(operation.example)
    for place, kind in references(operation):
        if place == path or _holds(made, place):
            _put(made, place, str(getattr(society, kind)))
    if "handler" in made:
        made["handler"] = HANDLER
    if path and operation.group == "capabilities" and "capability" in operation.signature.fields:
        # A capability has a name of its own only within an agent, and an id everywhere.
        made["capability"] = "Reviewing contracts" if path == ("agent",) else str(society.capability)
        made.pop("text", None)
    if path[:1] == ("judgements",):
        made.pop("content")
        made["judgements"] = [{"query": "somebody", "grade": 1}]
    if operation.group == "sharing" and "agent" in operation.signature.fields:
        # An agent of the partner, which has one of the same key.
        made["agent"] = society.agent_key
    if path:
        _put(made, path, value)
    return made


def required(operation: Operation[Any, Any], society: Society) -> dict[str, Any]:
    """What an operation cannot do without, of a society; the agent is one of whom there is two of everything."""
    named = {
        parameter.name: KINDS[parameter.name] for parameter in operation.signature.parameters if parameter.required
    }
    return {name: "ada" if name == "agent" else str(getattr(society, kind)) for name, kind in named.items()}


def _holds(made: Any, path: Path) -> bool:
    for step in path:
        try:
            made = made[step]
        except (KeyError, IndexError, TypeError):
            return False
    return made is not None


def _put(made: Any, path: Path, value: Any) -> None:
    for step, following in pairwise(path):
        if isinstance(made, dict):
            made = made.setdefault(str(step), [] if isinstance(following, int) else {})
        else:
            if not made:
                made.append([] if isinstance(following, int) else {})
            made = made[int(step)]
    made[path[-1]] = value


async def ask(
    moot: Moot, operation: Operation[Any, Any], given: dict[str, Any], *words: str, dry: bool = False
) -> Answer:
    """What an operation answers, with these words of the question taken out."""
    options = CallOptions(dry_run=dry)
    try:
        if operation.kind == "stream":
            said = [await anext(moot.executor.iterate(operation, given, options))]
        else:
            said = await moot.executor.run(operation, given, options)
    except MoothillError as error:
        problem = error.to_problem()
        return Answer(error.code, _without(f"{error.message} {problem['context']} {problem['status']}", words))
    return Answer("", _without(str(said), words))


class _Undone(Exception):
    """Nothing of the block is to be kept."""


async def in_vain(moot: Moot, operation: Operation[Any, Any], given: dict[str, Any], *words: str) -> Answer:
    """What an operation answers when nothing of it is kept."""
    answer = Answer("", "")
    try:
        async with moot.transaction() as inside:
            answer = await ask(inside, operation, given, *words)
            raise _Undone
    except _Undone:
        return answer


def _without(text: str, words: tuple[str, ...]) -> str:
    for word in words:
        text = text.replace(word, "<it>")
    return re.sub(r"_ms=[0-9.]+", "_ms=0", _HINT.sub("", text))


def operations() -> dict[str, Operation[Any, Any]]:
    """Those of Moothill; plug-ins and what other tests declare left out."""
    return {name: each for name, each in sorted(REGISTRY.items()) if each.body.__module__.startswith("moothill.")}
