"""The OpenAPI document, written from the registry."""

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import orjson
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter
from pydantic.json_schema import JsonSchemaMode

from ... import __version__
from ...kernel.operation import Operation, Plan
from ...kernel.service import REGISTRY, SERVICES

__all__ = ["Problem", "document", "document_bytes", "input_schemas"]

_REFERENCE = "#/components/schemas/{model}"
_DESCRIPTION = """\
Every operation answers `POST /v1/{group}/{verb}` with a JSON object of arguments; reads of simple
arguments answer `GET` too. Errors are problem documents (RFC 9457). Lists come in pages with an opaque
cursor. Streams answer server-sent events or one JSON value a line, as `Accept` says.
"""

Json = dict[str, Any]
Schemas = dict[tuple[str, JsonSchemaMode], Json]


class Problem(BaseModel):
    """What went wrong (RFC 9457), the same at every door."""

    model_config = ConfigDict(frozen=True)

    type: str = Field(description="`urn:moothill:error:` and the code.")
    title: str = Field(description="The kind in words.")
    status: int = Field(description="HTTP status.")
    detail: str = Field(description="What happened, to which thing, and what to do next.")
    instance: str = Field(description="The request's id, found again in the server's log.")
    kind: str = Field(description="One of eight kinds, not_found or invalid for example.")
    code: str = Field(description="The exact error, for programs.")
    retryable: bool = Field(description="Whether the same call may succeed later without being changed.")
    context: dict[str, Any] = Field(description="Details: the field that breaks a rule, for example.")


_PROBLEMS = {
    "400": "The request cannot be read.",
    "401": "No key, or one that is not valid.",
    "403": "The key may not do this.",
    "404": "The thing named does not exist, or is not yours to know about.",
    "409": "It exists, but not in the state or version assumed.",
    "413": "The body is too large.",
    "415": "The body is not JSON.",
    "422": "An argument breaks a rule; nothing was changed.",
    "429": "A limit was reached; see Retry-After.",
    "503": "A part that is needed does not answer, or is busy; see Retry-After.",
}


def _header(name: str, description: str, schema: Json) -> Json:
    return {"name": name, "in": "header", "required": False, "description": description, "schema": schema}


_TEXT: Json = {"type": "string"}
_HEADERS = {
    "RequestId": _header("X-Request-Id", "Your id for this request, a UUID.", {"type": "string", "format": "uuid"}),
    "Deadline": _header("Moothill-Deadline", "Longest time for the call: milliseconds, or 500ms, 30s, 10m.", _TEXT),
    "Tenant": _header("Moothill-Tenant", "Another tenant, by slug or id; for keys of the platform.", _TEXT),
    "ViewAs": _header("Moothill-View-As", "An agent to act as; both names are recorded.", _TEXT),
    "IdempotencyKey": _header(
        "Idempotency-Key",
        "A second call with this key returns the first one's result.",
        {**_TEXT, "maxLength": 200},
    ),
    "Reason": _header("Moothill-Reason", "Why, kept with the event; percent-encoded UTF-8.", _TEXT),
    "DryRun": _header("Moothill-Dry-Run", "Answer with the plan, without doing it.", {"type": "boolean"}),
    "LastEventId": _header("Last-Event-ID", "Go on after the item with this id.", _TEXT),
}
_ALWAYS = ("RequestId", "Deadline", "Tenant", "ViewAs")


@lru_cache(maxsize=1)
def document_bytes(app: FastAPI) -> bytes:
    """The document as it is served."""
    return orjson.dumps(document(app))


def document(app: FastAPI) -> Json:
    """The whole document: the framework's routes and every operation."""
    whole = get_openapi(
        title="Moothill",
        version=__version__,
        description=_DESCRIPTION,
        routes=app.routes,
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
    )
    operations = [REGISTRY[name] for name in sorted(REGISTRY)]
    schemas, definitions = _schemas(operations)
    components = whole.setdefault("components", {})
    components.setdefault("schemas", {}).update(definitions)
    components["parameters"] = _HEADERS
    components["responses"] = {f"Problem{status}": _problem(text) for status, text in _PROBLEMS.items()}
    components["securitySchemes"] = {
        "key": {
            "type": "http",
            "scheme": "bearer",
            "description": "An API key (`moot_` and 49 characters), or a token of an issuer in the settings.",
        }
    }
    whole["tags"] = [
        {"name": group, "description": (service.__doc__ or "").strip()} for group, service in sorted(SERVICES.items())
    ]
    for operation in operations:
        whole["paths"][f"/v1/{operation.group}/{operation.verb}"] = _path(operation, schemas, definitions)
    return whole


def input_schemas(operations: Iterable[Operation[Any, Any]]) -> dict[str, tuple[Json, Json]]:
    """The resolved schema of each operation's arguments by its name, with the definitions it refers to."""
    schemas, definitions = _schemas(list(operations))
    return {
        name: (_resolve(schema, definitions), definitions)
        for (name, side), schema in schemas.items()
        if side == "validation"
    }


def _schemas(operations: list[Operation[Any, Any]]) -> tuple[Schemas, Json]:
    wanted: list[tuple[str, JsonSchemaMode, TypeAdapter[Any]]] = [
        ("Problem", "serialization", TypeAdapter(Problem)),
        ("Plan", "serialization", TypeAdapter(Plan)),
    ]
    for operation in operations:
        wanted.append((operation.name, "validation", TypeAdapter(operation.signature.input_model)))
        wanted.append((operation.name, "serialization", operation.signature.output))
    schemas, definitions = TypeAdapter.json_schemas(wanted, ref_template=_REFERENCE)
    return schemas, definitions.get("$defs", {})


def _resolve(schema: Json, definitions: Json) -> Json:
    reference = schema.get("$ref")
    found: Json = definitions[reference.rpartition("/")[2]] if reference else schema
    return found


def _problem(description: str) -> Json:
    return {
        "description": description,
        "content": {"application/problem+json": {"schema": {"$ref": _REFERENCE.format(model="Problem")}}},
    }


def _path(operation: Operation[Any, Any], schemas: Schemas, definitions: Json) -> Json:
    description = (operation.body.__doc__ or "").strip()
    names = [*_ALWAYS, *_headers_of(operation)]
    shared: Json = {
        "tags": [operation.group],
        "summary": operation.summary,
        "description": f"{description}\n\nScope: `{operation.scope}`.",
        "security": [{"key": []}],
        "responses": _responses(operation, schemas[operation.name, "serialization"]),
        "x-moothill": {
            "operation": operation.name,
            "effect": operation.effect,
            "scope": operation.scope,
            "audience": operation.audience,
            "kind": operation.kind,
        },
    }
    parameters = [{"$ref": f"#/components/parameters/{name}"} for name in names]
    input_schema = schemas[operation.name, "validation"]
    required = bool(_resolve(input_schema, definitions).get("required"))
    body: Json = {
        "required": required,
        "content": {"application/json": {"schema": input_schema, "example": operation.example}},
    }
    flat = operation.name.replace(".", "_")
    found: Json = {"post": {**shared, "operationId": flat, "parameters": parameters, "requestBody": body}}
    if operation.answers_get:
        query = _query(operation, _resolve(input_schema, definitions))
        responses = {status: each for status, each in shared["responses"].items() if status not in ("413", "415")}
        found["get"] = {
            **shared,
            "operationId": f"{flat}_get",
            "parameters": [*query, *parameters],
            "responses": responses,
        }
    return found


def _headers_of(operation: Operation[Any, Any]) -> Iterable[str]:
    if operation.effect != "read":
        yield from ("IdempotencyKey", "Reason")
    if operation.effect == "destroy":
        yield "DryRun"
    if operation.kind == "stream" and any(each.name == "after" for each in operation.signature.parameters):
        yield "LastEventId"


def _responses(operation: Operation[Any, Any], output: Json) -> Json:
    if operation.kind == "stream":
        content: Json = {
            "text/event-stream": {"schema": _TEXT, "x-item-schema": output},
            "application/x-ndjson": {"schema": _TEXT, "x-item-schema": output},
        }
    elif operation.effect == "destroy":
        plan = {"$ref": _REFERENCE.format(model="Plan")}
        content = {"application/json": {"schema": {"anyOf": [output, plan]}}}
    else:
        content = {"application/json": {"schema": output}}
    good = {"description": "The result.", "content": content}
    found: Json = {"200": good}
    if operation.kind == "job":
        found["202"] = {**good, "description": "The work has been queued; ask `jobs.get`."}
    found.update({status: {"$ref": f"#/components/responses/Problem{status}"} for status in _PROBLEMS})
    return found


def _query(operation: Operation[Any, Any], schema: Json) -> list[Json]:
    """The arguments as query parameters; one that may be null is simply left out."""
    required = schema.get("required", ())
    found = []
    for name, described in schema.get("properties", {}).items():
        own = dict(described)
        kinds = [kind for kind in own.pop("anyOf", ()) if kind.get("type") != "null"]
        if len(kinds) == 1:
            own |= kinds[0]
        elif kinds:
            own["anyOf"] = kinds
        if own.get("default", ...) is None:
            del own["default"]
        parameter: Json = {"name": name, "in": "query", "required": name in required, "schema": own}
        if description := own.pop("description", ""):
            parameter["description"] = description
        if name in operation.example:
            parameter["example"] = operation.example[name]
        found.append(parameter)
    return found
