"""What a type checker sees: the same Moot whatever stands behind it, and each operation's true signature."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

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


def said_about(text: str, path: Path) -> dict[int, list[str]]:
    """What mypy says about a module, by line: revealed types without their modules, and codes of errors."""
    path.write_text(text, encoding="utf-8")
    command: list[str | Path] = [sys.executable, "-m", "mypy", "--config-file", ROOT / "pyproject.toml"]
    command += ["--cache-dir", ROOT / ".mypy_cache", path]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stderr
    said: dict[int, list[str]] = {}
    for line, note in re.findall(rf"^{re.escape(str(path))}:(\d+): (.*)$", done.stdout, re.MULTILINE):
        if revealed := re.fullmatch(r'note: Revealed type is "(.*)"', note):
            said.setdefault(int(line), []).append(re.sub(r"\b(?:\w+\.)+(?=\w)", "", revealed[1]))
        elif found := re.fullmatch(r"error: .*\[([\w-]+)\]", note):
            said.setdefault(int(line), []).append(found[1])
    return said


def test_a_type_checker_sees_the_true_signature_of_everything(tmp_path: Path) -> None:
    module = [*PREAMBLE.splitlines(), "async def use(moot: Moot, things: Things) -> None:"]
    first = len(module) + 1
    module += [f"    {re.sub(r'^R(?=[(])', 'reveal_type', line)}" for line in LINES]
    said = said_about("\n".join(module) + "\n", tmp_path / "moothill_seen_from_outside.py")
    seen = {line: " ".join(said.pop(first + index, ["nothing"])) for index, line in enumerate(LINES)}
    assert seen == LINES
    assert said == {}, "the declarations of a third party's service are clean"
