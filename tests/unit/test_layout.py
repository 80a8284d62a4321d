"""The house: every subsystem has the same rooms, and each thing is done in the one room that is for it."""

import ast
import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path, PurePosixPath

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "src" / "moothill"
ROOMS = {"__init__.py", "models.py", "rules.py", "queries.sql", "service.py"}
NAMELESS = re.compile(r"^_?(utils?|helpers?|commons?|base|misc|shared|stuff)$")
# Rooms where time and chance arrive as arguments or through the context.
CLOCKLESS_ROOMS = {"models.py", "rules.py", "service.py"}
CLOCKS = {"datetime.now", "datetime.utcnow", "datetime.today", "date.today", "time.time", "time.time_ns"}
# What rules, which only calculate, have no use for.
RULES_AVOID = {
    *("asyncio", "httpx", "io", "os", "pathlib", "psycopg", "random", "secrets", "socket"),
    *("structlog", "subprocess", "time"),
}
EFFECTS = {"open", "print", "input", "uuid1", "uuid4", "uuid7", "uuid.uuid1", "uuid.uuid4", *CLOCKS}
# A statement starts in lower or upper case as SQL does, never capitalised as a sentence does.
STATEMENT = re.compile(
    r"""^\s*(--[^\n]*\n\s*)*(?:
        select\s[\s\S]*\bfrom\s|select\s+[\w.]+\(|with\s+\w+\s+as\s|insert\s+into\s|update\s+[\w.]+\s+set\s
        |delete\s+from\s|merge\s+into\s|truncate\s|copy\s+[\w.]+.*\s(?:from|to)\s
        |(?:create|alter|drop)\s+(?:table|index|view|function|role|schema|policy|extension|database)\s
        |set\s+(?:local|session|role)\s|grant\s+\w+.*\son\s|listen\s+\w+$|notify\s+\w+$
        |(?:begin|commit|rollback);
    )""",
    re.VERBOSE,
)


@cache
def modules() -> list[tuple[PurePosixPath, ast.Module]]:
    """Path within the package and syntax tree of each module."""
    return [
        (PurePosixPath(path.relative_to(PACKAGE)), ast.parse(path.read_text(encoding="utf-8"), str(path)))
        for path in sorted(PACKAGE.rglob("*.py"))
    ]


def subsystems() -> list[Path]:
    """Folders with a service."""
    found = {path.parent for path in PACKAGE.rglob("service.py")} | {
        path.parent for path in PACKAGE.rglob("service/__init__.py")
    }
    return sorted(folder for folder in found if folder.name != "kernel")


def imports(tree: ast.Module, path: PurePosixPath) -> set[str]:
    """Absolute names of what a module imports, wherever in it; relative ones resolved within moothill."""
    found: set[str] = set()
    package = ("moothill", *path.parent.parts)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            start = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join((*start, *([node.module] if node.module else [])))
            found.update({module, *(f"{module}.{alias.name}" for alias in node.names)})
    return found


def strings(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Line and text of each string that is no docstring; the fixed parts of an f-string count as one."""
    skipped: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            skipped.add(id(node.value))  # a docstring, or prose below an attribute
        elif isinstance(node, ast.JoinedStr):
            parts = [value for value in node.values if isinstance(value, ast.Constant)]
            skipped.update(map(id, parts))
            yield node.lineno, "x".join(str(part.value) for part in parts)
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in skipped:
            yield node.lineno, node.value


def calls(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Line and dotted name (the last two parts) of each call."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield node.lineno, ".".join(ast.unparse(node.func).split(".")[-2:])


# A benchmark measures other ways to the database beside ours, so it holds their statements and connections.
OWN_SQL = ("database", "bench")


# --- what is looked for: each takes a module and gives its findings


def statements(tree: ast.Module, path: PurePosixPath) -> list[str]:
    if path.parts[0] in OWN_SQL:
        return []
    found = []
    for line, text in strings(tree):
        first = text.split(maxsplit=1)[:1]
        one_case = text.lower() if first and first[0].isupper() else text
        if STATEMENT.match(one_case):
            found.append(f"line {line}: {text[:50]!r}")
    return found


def pools(tree: ast.Module, path: PurePosixPath) -> list[str]:
    if path.parts[0] in OWN_SQL:
        return []
    opened = [f"line {line}: {name}" for line, name in calls(tree) if name.endswith("Connection.connect")]
    return opened + sorted(name for name in imports(tree, path) if name.split(".")[0] == "psycopg_pool")


def clocks(tree: ast.Module, path: PurePosixPath) -> list[str]:
    if path.name not in CLOCKLESS_ROOMS or path.parts[0] == "kernel":
        return []
    return [f"line {line}: {name}" for line, name in calls(tree) if name in CLOCKS]


def effects_in_rules(tree: ast.Module, path: PurePosixPath) -> list[str]:
    if path.name != "rules.py":
        return []
    found = sorted(name for name in imports(tree, path) if name.split(".")[0] in RULES_AVOID)
    found += [f"line {line}: {name}" for line, name in calls(tree) if name in EFFECTS]
    awaits = [node for node in ast.walk(tree) if isinstance(node, ast.AsyncFunctionDef | ast.Await)]
    return found + [f"line {node.lineno}: asynchronous" for node in awaits]


def rooms_looked_into(tree: ast.Module, path: PurePosixPath) -> list[str]:
    """Rules import models, models import the kernel, and neither looks further."""
    if path.name not in {"rules.py", "models.py"} or path.parts[0] in {"kernel", "database"}:
        return []
    own = ".".join(("moothill", *path.parent.parts))
    allowed = ["moothill.kernel"] + ([f"{own}.models"] if path.name == "rules.py" else [])
    # A model may hold another subsystem's model; it never reaches for its service.
    allowed_last = {"models"}
    return sorted(
        name
        for name in imports(tree, path)
        if name.startswith("moothill.")
        and not any(name == prefix or name.startswith(f"{prefix}.") for prefix in allowed)
        and not (allowed_last & set(name.split(".")))
        and name != own
    )


def foreign_queries(tree: ast.Module, path: PurePosixPath) -> list[str]:
    """A subsystem calls another's service, never its queries."""
    own = ".".join(("moothill", *path.parent.parts))
    return sorted(
        name
        for name in imports(tree, path)
        if name.startswith("moothill.") and ".queries" in name and not name.startswith((own, "moothill.database"))
    )


def console_frameworks(tree: ast.Module, path: PurePosixPath) -> list[str]:
    if path.parts[0] == "console":
        return []
    return sorted(name for name in imports(tree, path) if name.split(".")[0] == "nicegui")


def subsystems_named_in_doors(tree: ast.Module, path: PurePosixPath) -> list[str]:
    if path.parts[0] != "doors":
        return []
    folders = {folder.parent.name for folder in subsystems()} | {"registry", "tenancy"}
    groups = "|".join(sorted(folder.name for folder in subsystems()) or ["agents"])
    named = re.compile(rf"(^|/v1/)({groups})[./_][a-z_]+$")
    found = sorted(
        name for name in imports(tree, path) if name.startswith("moothill.") and name.split(".")[1] in folders
    )
    return found + [f"line {line}: {text!r}" for line, text in strings(tree) if named.search(text)]


CHECKS = (
    (statements, "SQL lives in queries.sql; Python outside database/ has none"),
    (pools, "one pool a process, and database/ has it"),
    (clocks, "time comes from the context or the database"),
    (effects_in_rules, "rules only calculate: no clock, no chance, no input or output"),
    (rooms_looked_into, "rules import models, models import the kernel"),
    (foreign_queries, "call the other subsystem's service, not its queries"),
    (console_frameworks, "only the console knows its framework"),
    (subsystems_named_in_doors, "doors loop over the operations and name no subsystem"),
)
Check = Callable[[ast.Module, PurePosixPath], list[str]]


@pytest.mark.parametrize(("check", "rule"), CHECKS, ids=[check.__name__ for check, _ in CHECKS])
def test_each_thing_is_done_in_its_room(check: Check, rule: str) -> None:
    found = {str(path): findings for path, tree in modules() if (findings := check(tree, path))}
    listing = "\n".join(f"{path}: {finding}" for path, findings in found.items() for finding in findings)
    assert not found, f"{rule}:\n{listing}"


def test_every_subsystem_has_its_rooms() -> None:
    missing = {
        folder.relative_to(PACKAGE).as_posix(): sorted(
            room for room in ROOMS if not (folder / room).exists() and not (folder / room).with_suffix("").is_dir()
        )
        for folder in subsystems()
    }
    assert not {name: rooms for name, rooms in missing.items() if rooms}


def test_no_module_is_named_after_nothing() -> None:
    """A module that is named after its job has a border; `utils` grows for ever."""
    paths = [PACKAGE, *PACKAGE.rglob("*.py"), *(path for path in PACKAGE.rglob("*") if path.is_dir())]
    assert not [str(path.relative_to(PACKAGE)) for path in paths if NAMELESS.match(path.stem)]


# What each check must find, so that none passes because it sees nothing.
BAD = (
    (statements, "registry/agents/service.py", 'text = "select id from moothill.agents"'),
    (statements, "registry/agents/service.py", 'text = f"SELECT {columns} FROM moothill.agents"'),
    (statements, "console/pages.py", 'text = "update moothill.agents set status = 1"'),
    (statements, "kernel/local.py", 'text = "commit;"'),
    (pools, "worker/loop.py", "from psycopg_pool import AsyncConnectionPool"),
    (pools, "worker/loop.py", "connection = AsyncConnection.connect(dsn)"),
    (clocks, "tenancy/keys/service.py", "moment = datetime.now(UTC)"),
    (clocks, "tenancy/keys/rules.py", "moment = time.time()"),
    (effects_in_rules, "tenancy/keys/rules.py", "import random"),
    (effects_in_rules, "tenancy/keys/rules.py", "from time import monotonic"),
    (effects_in_rules, "tenancy/keys/rules.py", "identifier = uuid4()"),
    (effects_in_rules, "tenancy/keys/rules.py", "async def decide(): ..."),
    (effects_in_rules, "tenancy/keys/rules.py", "text = open('file')"),
    (rooms_looked_into, "tenancy/keys/rules.py", "from .service import Keys"),
    (rooms_looked_into, "tenancy/keys/models.py", "from ..tenants.service import Tenants"),
    (rooms_looked_into, "tenancy/keys/models.py", "from ...database.pool import Database"),
    (foreign_queries, "tenancy/keys/service.py", "from ..tenants.queries import find"),
    (console_frameworks, "doors/http.py", "from nicegui import ui"),
    (subsystems_named_in_doors, "doors/cli.py", "from ..tenancy.keys.service import Keys"),
    (subsystems_named_in_doors, "doors/mcp.py", 'tools = ["keys.issue"]'),
    (subsystems_named_in_doors, "doors/http.py", 'path = "/v1/keys/issue"'),
)
GOOD = (
    (statements, "doors/cli.py", 'text = "Select an agent from the list"'),
    (statements, "doors/cli.py", 'verbs = ["commit", "rollback"]'),
    (effects_in_rules, "tenancy/keys/rules.py", "from uuid import UUID"),
    (statements, "doors/cli.py", '"""select id from agents"""'),
    (statements, "database/queries.py", 'text = "select id from moothill.agents"'),
    (rooms_looked_into, "tenancy/keys/rules.py", "from . import models\nfrom .models import Key"),
    (rooms_looked_into, "tenancy/keys/models.py", "from ...kernel import errors"),
    (clocks, "worker/loop.py", "moment = datetime.now(UTC)"),
    (subsystems_named_in_doors, "doors/mcp.py", 'text = "keys"'),
)


@pytest.mark.parametrize(("check", "path", "text"), BAD)
def test_a_check_finds_what_it_forbids(check: Check, path: str, text: str) -> None:
    assert check(ast.parse(text), PurePosixPath(path))


@pytest.mark.parametrize(("check", "path", "text"), GOOD)
def test_a_check_lets_the_rest_be(check: Check, path: str, text: str) -> None:
    assert not check(ast.parse(text), PurePosixPath(path))
