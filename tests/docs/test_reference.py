"""The reference is what the code declares; the examples of the pages name what exists."""

import ast
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
import typer.main

from moothill.doors.cli.app import build, spelled_out
from moothill.doors.cli.groups import COMMANDS
from moothill.kernel.errors import KINDS, MoothillError, all_errors
from moothill.kernel.events import EVENT_KINDS
from moothill.kernel.service import REGISTRY, SERVICES
from moothill.kernel.settings import FOREIGN_NAMES, Settings
from moothill.reference import pages

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = ROOT / "docs" / "reference"
HAND_WRITTEN = [
    page
    for page in sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
    if not page.read_text(encoding="utf-8").startswith("<!-- Generated")
]
FENCE = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def generated() -> dict[str, str]:
    """The pages as they would be written now; makes every module known."""
    return pages()


@pytest.fixture(scope="module")
def errors(generated: dict[str, str]) -> dict[str, type[MoothillError]]:
    """Our own errors, by code."""
    return {code: error for code, error in all_errors().items() if error.__module__.startswith("moothill.")}


# --- generated pages


@pytest.mark.skipif(not REFERENCE.is_dir(), reason="this copy has no docs/reference")
def test_the_generated_pages_are_fresh(generated: dict[str, str]) -> None:
    """`./dev docs` writes them again."""
    found = {
        path.relative_to(REFERENCE).as_posix(): path.read_text(encoding="utf-8")
        for path in REFERENCE.rglob("*.md")
        if path.read_text(encoding="utf-8").startswith("<!-- Generated")
    }
    assert sorted(found) == sorted(generated)
    assert [name for name, text in generated.items() if found[name] != text] == []


def test_every_setting_is_documented_with_its_names(generated: dict[str, str]) -> None:
    page = generated["settings.md"]
    for name, field in Settings.model_fields.items():
        assert field.description, name
        assert f"| `{name}` | `MOOTHILL_{name.upper()}` |" in page
    for name, (setting, _) in FOREIGN_NAMES.items():
        assert f"| `{name}` | `{setting}` |" in page
        assert setting in Settings.model_fields


def test_no_default_of_a_setting_is_left_out(generated: dict[str, str]) -> None:
    for name, field in Settings.model_fields.items():
        (row,) = re.findall(rf"^\| `{name}` \| `\w+` \| (.*?) \|", generated["settings.md"], re.MULTILINE)
        assert bool(row.strip()) == (field.default is not None), name


def test_every_operation_has_a_page_with_its_parameters(generated: dict[str, str]) -> None:
    for name, found in REGISTRY.items():
        if not SERVICES[found.group].__module__.startswith("moothill."):
            continue
        page = generated[f"operations/{found.group}.md"]
        assert f"\n## {found.verb}\n" in page, name
        assert f"[{name}](operations/{found.group}.md#{found.verb})" in generated["operations.md"]
        for parameter in found.signature.parameters:
            assert f"| `{parameter.name}` |" in page, f"{name}({parameter.name})"


def test_every_kind_of_event_is_documented_field_by_field(generated: dict[str, str]) -> None:
    for kind, payload in EVENT_KINDS.items():
        if payload.__module__.startswith("moothill."):
            assert f"\n## {kind}\n" in generated["events.md"]
            assert payload.__doc__, kind
            assert not [name for name, field in payload.model_fields.items() if not field.description], kind


# --- errors


def test_every_error_is_documented(generated: dict[str, str], errors: dict[str, type[MoothillError]]) -> None:
    for code, error in errors.items():
        assert f"| `{code}` | {error.kind} |" in generated["errors.md"]


def declared() -> Iterator[tuple[str, str]]:
    """Module and name of every class in the package that is an error of ours, as its source says."""
    names = {MoothillError.__name__}
    trees = {path: ast.parse(path.read_text(encoding="utf-8")) for path in (ROOT / "src").rglob("*.py")}
    classes = [
        (path, node) for path, tree in trees.items() for node in ast.walk(tree) if isinstance(node, ast.ClassDef)
    ]
    for _ in range(4):  # as deep as errors go
        for _, node in classes:
            if names & {ast.unparse(base).rpartition(".")[2] for base in node.bases}:
                names.add(node.name)
    for path, node in classes:
        if node.name in names and node.bases:
            yield path.relative_to(ROOT / "src").as_posix(), node.name


def test_no_error_hides_behind_the_code_of_another(errors: dict[str, type[MoothillError]]) -> None:
    """Two of one name have one code, and a client could not tell which it caught."""
    known = {(error.__module__.replace(".", "/"), error.__name__) for error in errors.values()}
    hidden = [
        (path, name)
        for path, name in declared()
        if (path.removesuffix(".py").removesuffix("/__init__"), name) not in known and name != "MoothillError"
    ]
    assert hidden == []


def test_the_docstring_of_every_error_is_a_message_for_its_caller(errors: dict[str, type[MoothillError]]) -> None:
    """It is what a caller reads when nothing more is said: whole, plain, and about what happened."""
    for code, error in errors.items():
        message = error().message
        assert error.__doc__ not in {parent.__doc__ for parent in error.__mro__[1:]}, code
        assert message[0].isupper() or message[0].isdigit(), code
        assert message.endswith("."), f"{code}: {message}"
        assert len(message.split()) >= 4, code
        assert len(message) <= 160, code
        assert "\n" not in message, code
        assert not re.search(r"\b(error|exception|raised|sqlstate|traceback)\b", message, re.IGNORECASE), message
        assert error.kind in KINDS, code


# --- what hand-written pages show


def blocks(page: Path, *languages: str) -> Iterator[str]:
    for language, text in FENCE.findall(page.read_text(encoding="utf-8")):
        if language in languages:
            yield text


def calls(text: str) -> Iterator[tuple[str, set[str]]]:
    """`group.verb` and keywords of each call of an operation in a piece of Python."""
    flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT | ast.PyCF_ONLY_AST
    for node in ast.walk(cast(ast.AST, compile(text, "page", "exec", flags=flags))):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        path = ast.unparse(node.func).split(".")
        # moot.agents.get(...), tx.agents.get(...), moot.tenant("x").agents.get(...), ....options(...)(...)
        if len(path) >= 3 and path[-2] in SERVICES and path[-1] not in ("options", "plan", "call"):
            yield f"{path[-2]}.{path[-1].rstrip('_')}", {str(each.arg) for each in node.keywords}


PYTHON = [
    (page.relative_to(ROOT).as_posix(), name, keywords)
    for page in HAND_WRITTEN
    for text in blocks(page, "python")
    for name, keywords in calls(text)
]


def test_the_readme_shows_calls_of_operations() -> None:
    assert {page for page, _, _ in PYTHON} >= {"README.md"}


@pytest.mark.parametrize(("page", "name", "keywords"), PYTHON)
def test_a_call_that_a_page_shows_exists_as_it_is_shown(page: str, name: str, keywords: set[str]) -> None:
    assert name in REGISTRY, page
    parameters = REGISTRY[name].signature.parameters
    assert keywords <= {each.name for each in parameters}
    assert {each.name for each in parameters if each.required} <= keywords


# A command in a block, or between backquotes, in a page or in what the package says.
SHOWN = re.compile(r"(?:^(?:\$ )?|(?<!`)`)((?:\w+=\S+ )*moothill [^`\n]*?)(?:`(?!`)|$|\s+#|\s+\|)", re.MULTILINE)


def lines() -> Iterator[tuple[str, str]]:
    """Page and line of each command that a page or a text of the package shows."""
    for page in HAND_WRITTEN:
        text = page.read_text(encoding="utf-8")
        for shown in SHOWN.findall("".join(blocks(page, "sh", "console")).replace("\\\n", " ") + FENCE.sub("", text)):
            yield page.relative_to(ROOT).as_posix(), shown
    for path in (ROOT / "src").rglob("*.py"):
        for shown in re.findall(r"`(moothill [^`\n]+)`", path.read_text(encoding="utf-8")):
            yield path.relative_to(ROOT).as_posix(), re.sub(r"\{[^}]*\}", "X", shown)


def words_of(line: str) -> list[str]:
    words = shlex.split(line)
    return words[words.index("moothill") + 1 :]


COMMANDS_SHOWN = sorted({(page, line) for page, line in lines() if set(words_of(line)) & {*SERVICES, *COMMANDS}})


def test_commands_are_shown_somewhere() -> None:
    assert len(COMMANDS_SHOWN) > 5


@pytest.mark.parametrize(("page", "line"), COMMANDS_SHOWN)
def test_a_command_that_is_shown_exists_as_it_is_shown(page: str, line: str) -> None:
    words = spelled_out(words_of(line))
    named = next(word for word in words if word in SERVICES or word in COMMANDS)
    command = cast(Any, typer.main.get_command(build(named))).commands[named]
    rest = words[words.index(named) + 1 :]
    while rest and hasattr(command, "commands"):
        assert rest[0] in command.commands, page
        command, rest = command.commands[rest[0]], rest[1:]
    if not hasattr(command, "commands"):
        # A text may name a command without everything that it needs, but nothing that it does not take.
        wanted = [each for each in command.params if each.param_type_name == "argument" and each.required]
        command.make_context(command.name, rest or ["x"] * len(wanted))
