"""What `import moothill` gives, and what it costs."""

import ast
import json
import os
import resource
import subprocess
import sys
import tomllib
from importlib import import_module
from pathlib import Path

import pytest

import moothill
import moothill.kernel

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "src" / "moothill"

PUBLIC = (
    "Conflict Exhausted Forbidden Internal Invalid Moot MoothillError NotFound NotRetryable Retry TaskContext "
    "Unauthenticated Unavailable Worker connect errors"
)
KERNEL = (
    "REGISTRY SERVICES Actor CallOptions Context Job Operation Page Plan Principal Service Step context handles "
    "job operation scheduled stream"
)
# Each of them costs more than everything that `import moothill` may cost.
HEAVY = {"fastapi", "httpx", "mcp", "nicegui", "numpy", "psycopg", "pydantic", "rich", "structlog", "typer"}

# Runs a command in a fresh interpreter and tells what it loaded, which files it read and what it asked the
# environment for.
WATCH = """
import json, os, sys

opened, asked = [], []

class Watched(dict):
    def __getitem__(self, name):
        asked.append(name)
        return dict.__getitem__(self, name)
    def get(self, name, default=None):
        asked.append(name)
        return dict.get(self, name, default)

def hook(event, details):
    if event in ("socket.connect", "subprocess.Popen", "os.mkdir"):
        opened.append(event)
    elif event == "open" and not str(details[0]).endswith((".py", ".pyc", ".so")):
        opened.append(str(details[0]))

sys.addaudithook(hook)
os.environ = Watched(os.environ)
try:
    {work}
except SystemExit as leaving:
    assert not leaving.code, leaving.code
names = sorted({{name.partition(".")[0] for name in sys.modules}})
ours = sorted(name for name in sys.modules if name.partition(".")[0] == "moothill")
print(json.dumps({{"packages": names, "ours": ours, "opened": opened, "asked": asked}}), file=sys.stderr)
"""


class Loaded:
    """What a command left behind in its interpreter."""

    def __init__(self, work: str) -> None:
        # The processes of a measured run start with the measuring tool; it is none of what is measured here.
        environment = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(
            [sys.executable, "-c", WATCH.format(work=work)],
            capture_output=True,
            text=True,
            check=True,
            env=environment,
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        self.milliseconds = 1000 * (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
        self.output = done.stdout
        told = json.loads(done.stderr.splitlines()[-1])
        self.packages: set[str] = set(told["packages"])
        self.ours: set[str] = set(told["ours"])
        self.opened: list[str] = told["opened"]
        self.asked: list[str] = told["asked"]
        print(f"{work}: {self.milliseconds:.0f} ms of processor time, {len(self.ours)} modules of ours")


@pytest.mark.parametrize(
    ("module", "names"), [(moothill, PUBLIC), (moothill.kernel, KERNEL)], ids=["moothill", "kernel"]
)
def test_the_public_names_are_these(module: object, names: str) -> None:
    assert getattr(module, "__all__") == names.split()  # noqa: B009  # a module, to the type checker, has none
    for name in names.split():
        assert getattr(module, name) is not None


def test_every_module_sorts_what_it_offers() -> None:
    """Constants, then classes, then functions, as the formatter sorts them."""
    unsorted: list[str] = []
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
                names: list[str] = ast.literal_eval(node.value)
                if names != sorted(names, key=lambda each: (not each.isupper(), each[0].islower(), each)):
                    unsorted.append(path.relative_to(PACKAGE).as_posix())
    assert unsorted == []


def test_unknown_names_are_refused_and_known_ones_are_listed() -> None:
    assert set(moothill.__all__) <= set(dir(moothill))
    with pytest.raises(AttributeError, match="nothing_like_it"):
        _ = moothill.nothing_like_it
    assert moothill.NotFound is moothill.errors.NotFound
    assert moothill.Moot is import_module("moothill.moot").Moot
    assert moothill.connect is import_module("moothill.session").connect


def test_the_version_is_that_of_the_distribution() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["version"] == moothill.__version__


def test_importing_the_package_loads_opens_and_reads_nothing() -> None:
    loaded = Loaded("import moothill")
    assert loaded.ours == {"moothill"}
    assert not loaded.packages & HEAVY
    assert loaded.opened == []
    assert loaded.asked == []


def test_the_first_error_that_is_named_brings_no_database_and_no_door() -> None:
    loaded = Loaded("import moothill; moothill.NotFound")
    assert not loaded.packages & (HEAVY - {"pydantic"})
    assert not [name for name in loaded.ours if name.split(".")[1:2] not in ([], ["kernel"])]


def test_connecting_loads_no_door_and_no_console() -> None:
    loaded = Loaded("import moothill; moothill.connect")
    assert not loaded.packages & (HEAVY - {"psycopg", "pydantic", "httpx", "numpy"})
    assert not [name for name in loaded.ours if name.split(".")[1:2] in (["doors"], ["console"], ["bench"])]


def test_help_imports_neither_services_nor_the_driver() -> None:
    loaded = Loaded("from moothill.doors.cli import main; main(['--help'])")
    assert "Usage" in loaded.output
    assert not loaded.packages & (HEAVY - {"rich", "typer"})
    assert not [name for name in loaded.ours if name.split(".")[1:2] not in ([], ["doors"])]


def test_the_version_imports_only_the_package_of_its_door() -> None:
    loaded = Loaded("from moothill.doors.cli import main; main(['--version'])")
    assert loaded.output == f"moothill {moothill.__version__}\n"
    assert loaded.ours == {"moothill", "moothill.doors", "moothill.doors.cli"}
    assert not loaded.packages & HEAVY
