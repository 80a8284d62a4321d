"""Rules of the console that no general tool checks: what may not be written in its code."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from moothill.console import act as act_module
from moothill.console import theme
from moothill.kernel.service import REGISTRY

CONSOLE = Path(act_module.__file__).parent
PAGES = sorted((CONSOLE / "pages").glob("*.py"))
MOST_LINES = 150
# Elements that take markup, styles or scripts as text.
BANNED_CALLS = {
    "html": "ui.html",
    "add_body_html": "ui.add_body_html",
    "run_javascript": "run_javascript",
    "restructured_text": "ui.restructured_text",
    "markdown": "ui.markdown",
    "mermaid": "ui.mermaid",
    "add_slot_template": "templates",
}
PARSED = {"props", "classes", "style"}


def calls(path: Path) -> Iterator[ast.Call]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            yield node


def test_screens_stay_small() -> None:
    long = {path.name: size for path in PAGES if (size := path.read_text(encoding="utf-8").count("\n")) > MOST_LINES}
    assert not long


@pytest.mark.parametrize("path", sorted(CONSOLE.rglob("*.py")), ids=lambda path: path.name)
def test_no_text_becomes_markup_or_script(path: Path) -> None:
    for call in calls(path):
        if isinstance(call.func, ast.Attribute) and call.func.attr in BANNED_CALLS:
            raise AssertionError(f"{path.name}:{call.lineno} calls {BANNED_CALLS[call.func.attr]}")
        for keyword in call.keywords:
            assert keyword.arg not in ("html_columns", "sanitize"), f"{path.name}:{call.lineno}"


@pytest.mark.parametrize("path", sorted(CONSOLE.rglob("*.py")), ids=lambda path: path.name)
def test_no_value_is_parsed_as_properties(path: Path) -> None:
    """`.props()` parses its text, and a property that begins with a colon is evaluated: only fixed texts go in."""
    for call in calls(path):
        if isinstance(call.func, ast.Attribute) and call.func.attr == "props":
            for argument in call.args:
                is_fixed = isinstance(argument, ast.Constant) or (
                    isinstance(argument, ast.IfExp)
                    and isinstance(argument.body, ast.Constant)
                    and isinstance(argument.orelse, ast.Constant)
                )
                assert is_fixed, f"{path.name}:{call.lineno} parses a value as properties; use with_property"


@pytest.mark.parametrize("path", sorted(CONSOLE.rglob("*.py")), ids=lambda path: path.name)
def test_pages_keep_no_state_of_their_own(path: Path) -> None:
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(node.value, ast.List | ast.Dict | ast.Set):
            (target,) = [node.target] if isinstance(node, ast.AnnAssign) else node.targets
            name = target.id if isinstance(target, ast.Name) else ""
            assert name.strip("_").isupper() or name == "__all__", f"{path.name}:{node.lineno}: {name}"


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_pages_reach_the_society_through_the_sdk_alone(path: Path) -> None:
    allowed = ("models", "__init__", "rules")
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level == 3 and node.module:
            parts = node.module.split(".")
            if parts[0] in ("kernel", "moot"):
                continue
            assert parts[0] != "database", f"{path.name} imports {node.module}"
            assert parts[-1] in allowed or len(parts) == 2, f"{path.name} imports {node.module}"


def test_the_look_has_one_stylesheet_and_asks_nobody_else_for_anything() -> None:
    for name in theme.ASSETS:
        content = (CONSOLE / "assets" / name).read_text(encoding="utf-8")
        assert "http://" not in content.replace("http://www.w3.org/2000/svg", "")
        assert "https://" not in content
        assert "@import" not in content
    assert [path.name for path in CONSOLE.rglob("*.css")] == ["theme.css"]


def test_every_operation_that_screens_name_exists() -> None:
    named = set()
    for path in CONSOLE.rglob("*.py"):
        for call in calls(path):
            if isinstance(call.func, ast.Attribute) and call.func.attr == "may":
                named |= {argument.value for argument in call.args if isinstance(argument, ast.Constant)}
    named.discard("any:thing")
    named.discard("platform:tenants")
    assert named
    assert named <= set(REGISTRY)
