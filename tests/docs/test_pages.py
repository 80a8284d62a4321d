"""The pages keep what they promise: links lead somewhere, commands exist, examples parse."""

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from moothill.database.guards import guards

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
LINK = re.compile(r"(?<!\\)\[[^\]]*\]\(([^)\s]+)(?:\s+\"[^\"]*\")?\)")
FENCE = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
HEADINGS = ("Question", "Decision", "Why", "Weighed and left", "What follows")

names = [page.relative_to(ROOT).as_posix() for page in PAGES]
each_page = pytest.mark.parametrize("page", PAGES, ids=names)


def prose(page: Path) -> str:
    """The page without its fenced blocks."""
    return FENCE.sub("", page.read_text(encoding="utf-8"))


def blocks(page: Path, language: str) -> Iterator[str]:
    """The fenced blocks of a page in one language."""
    return (text for name, text in FENCE.findall(page.read_text(encoding="utf-8")) if name == language)


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as they are commonly made."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


def verbs() -> set[str]:
    """What `./dev help` lists."""
    done = subprocess.run([ROOT / "dev", "help"], capture_output=True, text=True, check=True)
    return set(re.findall(r"^  ([a-z]+) {2,}", done.stdout, re.MULTILINE))


def test_there_are_pages() -> None:
    expected = {"README.md", "CONTRIBUTING.md", "AGENTS.md", "CHANGELOG.md", "SECURITY.md"}
    assert expected <= set(names)
    assert (ROOT / "LICENSE").read_text(encoding="utf-8").lstrip().startswith("Apache License")


@each_page
def test_links_lead_somewhere(page: Path) -> None:
    lost = []
    for target in LINK.findall(prose(page)):
        if re.match(r"[a-z]+:", target):
            continue  # addresses outside are not asked here: tests need no network
        path, _, anchor = target.partition("#")
        place = (page.parent / path).resolve() if path else page
        known = place.exists() and place.is_relative_to(ROOT)
        if not known or (anchor and place.suffix == ".md" and anchor not in anchors(place)):
            lost.append(target)
    assert not lost


@each_page
def test_every_verb_that_a_page_names_exists(page: Path) -> None:
    assert set(re.findall(r"\./dev ([a-z]+)", page.read_text(encoding="utf-8"))) <= verbs()


@pytest.fixture(scope="module")
def tests_there_are() -> set[str]:
    """The names of all tests."""
    sources = (file.read_text(encoding="utf-8") for file in (ROOT / "tests").rglob("test_*.py"))
    return {name for text in sources for name in re.findall(r"^(?:async )?def (test_\w+)", text, re.MULTILINE)}


@pytest.mark.parametrize("page", [page for page in PAGES if "reference" not in page.parts])
def test_every_test_that_a_page_names_exists(page: Path, tests_there_are: set[str]) -> None:
    assert set(re.findall(r"`(test_\w+)`", page.read_text(encoding="utf-8"))) <= tests_there_are


def test_the_guards_that_the_page_on_isolation_names_are_those_that_there_are() -> None:
    page = (ROOT / "docs/explanation/isolation.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE)) == set(guards())
    rules = page.partition("## The rules, one by one")[2].partition("\n## ")[0]
    assert [int(number) for number in re.findall(r"^\| (\d+) \|", rules, re.MULTILINE)] == list(range(1, 25))
    named = set(re.findall(r"`((?!test_)[a-z]+(?:_[a-z]+)+)`", rules))
    assert named <= set(guards())


@each_page
def test_examples_in_python_parse(page: Path) -> None:
    for text in blocks(page, "python"):
        compile(text, str(page), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT | ast.PyCF_ONLY_AST)


def test_the_two_commands_of_the_readme_exist() -> None:
    commands = "\n".join(blocks(ROOT / "README.md", "sh"))
    assert re.findall(r"^\./dev (\w+)", commands, re.MULTILINE) == ["demo", "test"]
    assert {"demo", "test", "check", "bench", "docs", "soak"} <= verbs()
    assert (ROOT / "dev").stat().st_mode & 0o111


def test_continuous_integration_runs_the_verbs_of_the_readme() -> None:
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert re.findall(r"^\./dev (\w+)", script, re.MULTILINE) == ["check", "test"]


def test_decisions_are_numbered_and_answer_the_same_questions() -> None:
    pages = [page for page in PAGES if page.parent.name == "decisions" and page.name != "template.md"]
    numbers = [page.name[:4] for page in pages]
    assert len(set(numbers)) == len(numbers)
    for page in pages:
        text = page.read_text(encoding="utf-8")
        assert re.fullmatch(r"\d{4}(-[a-z0-9]+)+\.md", page.name), page.name
        assert text.startswith(f"# {page.name[:4]}: "), page.name
        assert re.search(r"^Status: (proposed|accepted|replaced by \d{4})$", text, re.MULTILINE), page.name
        missing = [heading for heading in HEADINGS if f"\n## {heading}\n" not in text]
        assert not missing, page.name


def test_agents_md_fits_on_a_screen() -> None:
    assert len((ROOT / "AGENTS.md").read_text(encoding="utf-8").splitlines()) <= 60
