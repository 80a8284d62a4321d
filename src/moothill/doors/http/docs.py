"""The page at /docs: every operation with its arguments, an example, and a form to try it.

Made here from the registry, with its own script and style, so that it needs no other server.
"""

import json
from collections.abc import Iterator
from functools import lru_cache
from html import escape
from importlib import resources
from string import Template
from typing import Any

from ...kernel.operation import Operation
from ...kernel.service import REGISTRY, SERVICES
from .openapi import input_schemas

__all__ = ["page", "type_name"]


@lru_cache(maxsize=1)
def page() -> bytes:
    """The whole page."""
    operations = [REGISTRY[name] for name in sorted(REGISTRY)]
    schemas = input_schemas(operations)
    groups = []
    for group in sorted({operation.group for operation in operations}):
        members = "\n".join(_operation(each, schemas[each.name][0]) for each in operations if each.group == group)
        doc = escape((SERVICES[group].__doc__ or "").strip().partition("\n")[0])
        name = escape(group)
        groups.append(f'<section id="{name}"><h2>{name}</h2><p>{doc}</p>\n{members}</section>')
    template = (resources.files(__package__) / "static" / "docs.html").read_text(encoding="utf-8")
    return Template(template).substitute(count=len(operations), groups="\n".join(groups)).encode()


def type_name(schema: Any) -> str:
    """A JSON Schema in a few words."""
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "enum" in schema:
        return " | ".join(json.dumps(value) for value in schema["enum"])
    if "anyOf" in schema:
        return " | ".join(type_name(each) for each in schema["anyOf"])
    if schema.get("type") == "array":
        return f"list of {type_name(schema.get('items', {}))}"
    return str(schema.get("format") or schema.get("type") or "any value")


def _operation(operation: Operation[Any, Any], schema: dict[str, Any]) -> str:
    path = f"/v1/{operation.group}/{operation.verb}"
    methods = "POST, GET" if operation.answers_get else "POST"
    rest = (operation.body.__doc__ or "").strip().partition("\n")[2].strip()
    example = json.dumps(operation.example, ensure_ascii=False, indent=2)
    rows = "".join(_rows(schema)) or '<tr><td colspan="4">none</td></tr>'
    return (
        f'<details class="operation" id="{escape(operation.name)}">'
        f"<summary><code>{escape(operation.name)}</code> <span>{escape(operation.summary)}</span> "
        f'<em class="{operation.effect}">{operation.effect}</em></summary>'
        f"<p><code>{methods} {escape(path)}</code> · scope <code>{escape(operation.scope)}</code> · "
        f"{operation.kind} · for {operation.audience}</p>"
        + (f"<pre>{escape(rest)}</pre>" if rest else "")
        + f"<table><thead><tr><th>argument</th><th>type</th><th>default</th><th>meaning</th></tr></thead>"
        f"<tbody>{rows}</tbody></table>"
        f"<h3>curl</h3><pre>{escape(_curl(path, example))}</pre>"
        f"<h3>Python</h3><pre>{escape(_python(operation))}</pre>"
        f'<form data-path="{escape(path)}"><h3>Try it</h3><textarea rows="5" spellcheck="false" '
        f'aria-label="Arguments as JSON">{escape(example)}</textarea>'
        f"<button>Send</button><output></output></form></details>"
    )


def _rows(schema: dict[str, Any]) -> Iterator[str]:
    required = schema.get("required", ())
    for name, described in schema.get("properties", {}).items():
        default = "required" if name in required else json.dumps(described.get("default"))
        cells = (f"<code>{escape(name)}</code>", *map(escape, (type_name(described), default)))
        meaning = escape(described.get("description", ""))
        yield f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}<td>{meaning}</td></tr>"


def _curl(path: str, example: str) -> str:
    arguments = " ".join(example.split()).replace("'", "'\\''")
    return (
        f'curl "$MOOTHILL_URL{path}" -H "Authorization: Bearer $MOOTHILL_KEY" \\\n'
        f"  -H 'Content-Type: application/json' -d '{arguments}'"
    )


def _python(operation: Operation[Any, Any]) -> str:
    arguments = ", ".join(f"{name}={value!r}" for name, value in operation.example.items())
    call = f"moot.{operation.group}.{operation.verb}({arguments})"
    return f"async for item in {call}:\n    ..." if operation.kind == "stream" else f"await {call}"
