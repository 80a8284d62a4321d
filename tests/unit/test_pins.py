"""What is depended on: ranges, pins and reasons agree, and a pin is a name, a version and hashes."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[2]
PINS = ("constraints.txt", "constraints-dev.txt")
# Whole file: comments, pins with an optional marker, hashes. An address does not fit in.
LINE = re.compile(
    r"""(?: \#\ [\w\s:,./-]* | [a-z0-9][a-z0-9._-]*==[\w.+!]+(?:\ ;\ [\w\s.'<>=!()*]+)?\ \\
        | \ {4}--hash=sha256:[0-9a-f]{64}(?:\ \\)? )""",
    re.VERBOSE,
)
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
# Asked for by name only, as it brings gigabytes.
NOT_PINNED = {"sentence-transformers"}


def pins(*files: str) -> dict[str, list[Version]]:
    """The pinned versions of each package; more than one where Python versions differ."""
    found: dict[str, list[Version]] = {}
    for file in files:
        for line in (ROOT / file).read_text(encoding="utf-8").splitlines():
            if match := re.match(r"([a-z0-9._-]+)==(\S+)", line):
                found.setdefault(canonicalize_name(match[1]), []).append(Version(match[2]))
    return found


def direct(*, development: bool) -> Iterator[Requirement]:
    """The direct dependencies of the project, extras included, itself left out."""
    texts: list[str] = [*PROJECT["project"]["dependencies"]]
    for extra in PROJECT["project"]["optional-dependencies"].values():
        texts += extra
    texts += PROJECT["dependency-groups"]["build"]
    if development:
        texts += PROJECT["dependency-groups"]["dev"]
    for requirement in map(Requirement, texts):
        if requirement.name != "moothill" and requirement.name not in NOT_PINNED:
            yield requirement


def test_a_pin_is_a_name_a_version_and_hashes() -> None:
    wrong = [
        f"{file}:{number}: {line[:80]}"
        for file in PINS
        for number, line in enumerate((ROOT / file).read_text(encoding="utf-8").splitlines(), 1)
        if not LINE.fullmatch(line)
    ]
    assert not wrong
    assert not LINE.fullmatch("--index-url https://example.org/simple")
    assert not LINE.fullmatch("moothill @ https://example.org/moothill.whl")


def test_every_dependency_is_pinned_within_its_range() -> None:
    run, everything = pins(PINS[0]), pins(*PINS)
    for development, pinned in ((False, run), (True, everything)):
        wrong = [
            str(requirement)
            for requirement in direct(development=development)
            if not (versions := pinned.get(canonicalize_name(requirement.name), []))
            or not all(requirement.specifier.contains(version) for version in versions)
        ]
        assert not wrong, "run ./dev pin"


def test_no_package_is_pinned_in_both_files() -> None:
    assert not set(pins(PINS[0])) & set(pins(PINS[1]))


def test_the_offline_model_brings_no_pytorch() -> None:
    assert not {"torch", "triton"} & set(pins(*PINS))
    assert not [name for name in pins(*PINS) if name.startswith("nvidia-")]


def test_every_dependency_says_why_it_is_here() -> None:
    register = next((ROOT / "docs/decisions").glob("*-dependencies.md")).read_text(encoding="utf-8")
    named = {
        canonicalize_name(name.strip().split(" ")[0])
        for row in re.findall(r"^\| ([^|]+) \|", register, re.MULTILINE)
        for name in row.split(",")
    }
    needed = {canonicalize_name(requirement.name) for requirement in direct(development=True)} | NOT_PINNED
    assert not needed - named, "add a row to the decision on dependencies"


def test_versions_agree() -> None:
    import moothill

    assert moothill.__version__ == PROJECT["project"]["version"]
