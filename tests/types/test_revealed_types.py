"""What a type checker sees: the same Moot whatever stands behind it, and each operation's true signature."""

import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FENCE = re.compile(r"^```python[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)

PREAMBLE = """
import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, Field

import moothill
from moothill import Moot
from moothill.kernel import Page, Plan, Service, Step, job, operation, stream


class Thing(BaseModel):
    '''A thing.'''


class Things(Service, group="things"):
    '''Things.'''

    @operation(effect="read", scope="things:read")
    async def get(self, *, name: str, count: int = 1) -> Thing:
        '''Get one.'''
        return Thing()

    @operation(effect="destroy", scope="things:write")
    async def purge(self, *, name: str) -> Page[Thing]:
        '''Purge them.'''
        return Page(items=[])

    @purge.plan
    async def _plan(self, *, name: str) -> Plan:
        return Plan(summary="")

    @stream(scope="things:read")
    async def follow(self, *, name: str) -> AsyncIterator[Thing]:
        '''Follow them.'''
        yield Thing()

    @job(effect="write", scope="things:write")
    async def rebuild(self, *, name: str) -> Step:
        '''Rebuild them.'''
        return Step(done=1)
"""
# A line of code, and what mypy says about it: the type that `R(...)` reveals, or the code of the error.
LINES = {
    # connect() in its four forms
    "R(await moothill.connect())": "Moot",
    "R(await moothill.connect(Path('folder')))": "Moot",
    "R(await moothill.connect('host=db dbname=moothill'))": "Moot",
    "R(await moothill.connect('https://moothill.example', key='moot_x', tenant='acme'))": "Moot",
    "R(await moothill.connect().__aenter__())": "Moot",
    "R(moot.tenant('acme'))": "Moot",
    "R(moot.view_as('ada'))": "Moot",
    "R(await moot.transaction().__aenter__())": "Moot",
    "moothill.connect(5)": "arg-type",
    # a call
    "R(await moot.tenants.get(tenant='x'))": "Tenant",
    "await moot.tenants.get(name='x')": "call-arg",
    "await moot.tenants.get(tenant=1)": "arg-type",
    "await moot.tenants.get()": "call-arg",
    "await moot.tenants.get('x')": "call-arg",
    "moot.tenants.get(tenant='x')": "unused-coroutine",
    "moot.tennants": "attr-defined",
    "moot.tenants.gett": "attr-defined",
    # operations that stand in modules of their own, and such of other subsystems
    "R(await moot.agents.get(agent='ada'))": "Agent",
    "R(await moot.agents.register(agent_id='ada', name='Ada'))": "Agent",
    "await moot.agents.register(agent_id='ada')": "call-arg",
    "R((await moot.agents.list()).items)": "list[AgentSummary]",
    "R((await moot.search.find(text='x')).hits)": "list[SearchHit]",
    "R(await moot.keys.create(name='x', scopes=['a:b']))": "IssuedKey",
    "R(await moot.operations.find(text='x'))": "Sequence[OperationCard]",
    # pages
    "R(await moot.tenants.list(limit=3))": "Page[Tenant]",
    "R((await moot.tenants.list()).items)": "list[Tenant]",
    "R((await moot.tenants.list()).next)": "str | None",
    "await moot.tenants.list(limit='many')": "arg-type",
    "await moot.tenants.list(status='gone')": "arg-type",
    # options, dry runs, batches: the signature stays
    "R(await moot.tenants.get.options(reason='x', deadline=timedelta(seconds=1))(tenant='x'))": "Tenant",
    "await moot.tenants.get.options(reason='x')(name='x')": "call-arg",
    "moot.tenants.get.options(reasons='x')": "call-arg",
    "R(await moot.tenants.suspend.plan(tenant='x', reason='y'))": "Plan",
    "await moot.tenants.suspend.plan(name='x')": "call-arg",
    "R(moot.tenants.get.call(tenant='x'))": "BatchCall",
    "moot.tenants.get.call(name='x')": "call-arg",
    "R(await moot.batch([moot.tenants.get.call(tenant='x')]))": "list[Any]",
    # streams and jobs
    "R(moot.events.follow())": "AsyncIterator[Event]",
    "moot.events.follow(kinds='x')": "call-arg",
    "R(await moot.jobs.get(job=UUID(int=1)))": "JobDetail",
    # a third party's service
    "R(await things.get(name='x'))": "Thing",
    "R(await things.get(name='x', count=2))": "Thing",
    "await things.get(count=2)": "call-arg",
    "R(await things.purge(name='x'))": "Page[Thing]",
    "R(await things.purge.plan(name='x'))": "Plan",
    "R(things.follow(name='x'))": "AsyncIterator[Thing]",
    "await things.follow(name='x')": "misc",
    "R(await things.rebuild(name='x'))": "Job",
    "R(Things.get.name)": "str",
    # errors
    "R(moothill.NotFound('x').to_problem())": "dict[str, Any]",
    "R(moothill.errors.from_problem({}))": "MoothillError",
}


def shown_in_pages() -> Iterator[tuple[str, str]]:
    """Name and text of each piece of Python in a hand-written page that uses a Moot, as a module."""
    for page in sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]):
        text = page.read_text(encoding="utf-8")
        if text.startswith("<!-- Generated"):
            continue
        for number, block in enumerate(FENCE.findall(text)):
            if "moot." not in block:
                continue
            if "import moothill" not in block:
                body = "".join(f"    {line}\n" for line in block.splitlines())
                block = f"import moothill\n\nasync def shown(moot: moothill.Moot) -> None:\n{body}"
            elif "await" in block and "async def" not in block:
                imports, _, rest = block.partition("\n\n")
                body = "".join(f"    {line}\n" for line in rest.splitlines())
                block = f"{imports}\n\nasync def shown() -> None:\n{body}"
            yield f"{page.stem.replace('-', '_')}_{number}.py", block


def said_about(modules: Mapping[str, str], folder: Path) -> dict[str, dict[int, list[str]]]:
    """What mypy says about modules, by line: revealed types without their modules, and codes of errors."""
    for name, text in modules.items():
        (folder / name).write_text(text, encoding="utf-8")
    command: list[str | Path] = [sys.executable, "-m", "mypy", "--config-file", ROOT / "pyproject.toml"]
    command += ["--cache-dir", ROOT / ".mypy_cache", *(folder / name for name in modules)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stderr
    said: dict[str, dict[int, list[str]]] = {name: {} for name in modules}
    for name, line, note in re.findall(r"^.*?([^/]+):(\d+): (.*)$", done.stdout, re.MULTILINE):
        about = said[name].setdefault(int(line), [])
        if revealed := re.fullmatch(r'note: Revealed type is "(.*)"', note):
            about.append(re.sub(r"\b(?:\w+\.)+(?=\w)", "", revealed[1]))
        elif found := re.fullmatch(r"error: .*\[([\w-]+)\]", note):
            about.append(found[1])
    return said


def test_a_type_checker_sees_the_true_signature_of_everything(tmp_path: Path) -> None:
    module = [*PREAMBLE.splitlines(), "async def use(moot: Moot, things: Things) -> None:"]
    first = len(module) + 1
    module += [f"    {re.sub(r'^R(?=[(])', 'reveal_type', line)}" for line in LINES]
    pages = dict(shown_in_pages())
    assert "README_0.py" in pages
    everything = said_about({"seen_from_outside.py": "\n".join(module) + "\n", **pages}, tmp_path)
    said = everything.pop("seen_from_outside.py")
    seen = {line: " ".join(said.pop(first + index, ["nothing"])) for index, line in enumerate(LINES)}
    assert seen == LINES
    assert said == {}, "the declarations of a third party's service are clean"
    assert {name: told for name, told in everything.items() if told} == {}, "pages show what does not type-check"
