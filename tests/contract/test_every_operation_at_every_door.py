"""Every operation gives the same result and the same error at every door.

Each door gets a society of its own, the same at the start, and runs the same calls in the same order;
what came of them is then compared with what came of them at the local SDK. Of the calls that are refused
by the look of their arguments, each is made at two of the other doors; in a soak at all of them.
"""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import astuple
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from pydantic import SecretStr

from moothill.database.embedded import EmbeddedServer
from moothill.demo import load
from moothill.kernel.operation import Operation
from moothill.kernel.service import REGISTRY
from moothill.kernel.settings import Settings
from moothill.session import open_database
from tests.conftest import cloned
from tests.contract.adapters import DOORS, REFERENCE, Outcome, Site, masked
from tests.contract.cases import Case, cases_of, operations
from tests.serving import serving

CALLS = [(operation, case) for operation in operations() for case in cases_of(operation)]
SHARES = 1 if os.environ.get("MOOTHILL_SOAK") else 3
# As long as no test may hang.
PATIENCE = 300.0

Outcomes = dict[tuple[str, str], Outcome]
Society = Callable[[], AbstractAsyncContextManager[Site]]


@pytest_asyncio.fixture(scope="session")
async def society(server: EmbeddedServer, settings: Settings) -> AsyncIterator[Society]:
    """Makes copies of the example society, each with a database and a server of its own."""
    generous = settings.model_copy(update={"rate_limit": 10_000_000})
    async with cloned(server, "contract") as furnished:
        moot = await open_database(server.dsn("app", furnished), settings, "default", create=True)
        await load(moot)
        await moot.close()

        @asynccontextmanager
        async def made() -> AsyncIterator[Site]:
            async with (
                cloned(server, "contract", furnished) as name,
                serving(server.dsn("app", name), _with_sql(generous, server.dsn("sql", name))) as live,
            ):
                keys = {True: await live.key(live.moot), False: await live.key(live.moot, "nothing:read")}
                yield Site(live, live.moot, server.dsn("app", name), keys)

        yield made


@pytest_asyncio.fixture(scope="session")
async def outcomes(society: Society, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Outcomes]:
    """What came of every call at each door. The processes of pytest-xdist share the work and its results."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent

    async def go_through_doors() -> None:
        for door in reversed(DOORS):  # the slowest is the last
            if _is_first(folder / f"{door}.taken"):
                found: list[Outcome] = []
                try:
                    async with society() as site, DOORS[door](site) as opened:
                        for operation, case in calls_at(door):
                            found.append(await opened.call(operation, case))
                finally:
                    # Also when it broke off: nobody shall wait for the rest.
                    (folder / f"{door}.part").write_text(json.dumps([astuple(each) for each in found]))
                    (folder / f"{door}.part").rename(folder / f"{door}.json")

    # Two at once: the command line leaves time for another.
    async with asyncio.TaskGroup() as both:
        both.create_task(go_through_doors())
        both.create_task(go_through_doors())
    return {door: await _told(door, folder / f"{door}.json") for door in DOORS}


def _with_sql(settings: Settings, dsn: str) -> Settings:
    return settings.model_copy(update={"sql_dsn": SecretStr(dsn)})


def calls_at(door: str) -> list[tuple[Operation[Any, Any], Case]]:
    """The calls of a door: all of them at the reference, else a share of those that are shared out."""
    place = list(DOORS).index(door)
    return [
        call
        for number, call in enumerate(CALLS)
        if door == REFERENCE or not call[1].is_shared or (number + place) % SHARES == 0
    ]


def _is_first(path: Path) -> bool:
    try:
        path.touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


async def _told(door: str, path: Path) -> Outcomes:
    async with asyncio.timeout(PATIENCE):
        while not path.exists():  # noqa: ASYNC110  # another process writes it
            await asyncio.sleep(0.05)
    found = [Outcome(*each) for each in json.loads(path.read_text())]
    calls = calls_at(door)
    assert len(found) == len(calls), f"{door} broke off"
    return {(operation.name, case.name): outcome for (operation, case), outcome in zip(calls, found, strict=True)}


def test_every_call_is_made_at_two_doors_at_least_and_every_kind_of_call_at_all() -> None:
    others = [door for door in DOORS if door != REFERENCE]
    at = {door: {(operation.name, case.name) for operation, case in calls_at(door)} for door in others}
    for operation, case in CALLS:
        doors = [door for door in others if (operation.name, case.name) in at[door]]
        assert len(doors) >= (2 if case.is_shared else len(others)), (operation.name, case.name)
    kinds = {_kind_of(case) for _, case in CALLS}
    assert all({_kind_of(case) for _, case in calls_at(door)} == kinds for door in others)


def _kind_of(case: Case) -> str:
    """A case without the name of the parameter and the number."""
    first, _, rest = case.name.rstrip("-0123456789").partition(" ")
    return rest if case.is_shared and first != "without" else first


@pytest.mark.parametrize("name", [operation.name for operation in operations()])
@pytest.mark.parametrize("door", [door for door in DOORS if door != REFERENCE])
async def test_an_operation_gives_the_same_outcome_at_each_door(
    outcomes: dict[str, Outcomes], door: str, name: str
) -> None:
    expected = outcomes[REFERENCE]
    for (operation, case), outcome in outcomes[door].items():
        if operation == name:
            wanted = expected[operation, case]
            if outcome.unsaid:
                # No call that works anywhere is beyond a door; a stream MCP refuses whoever asks.
                assert wanted.problem is not None, (case, outcome.unsaid)
                assert wanted.problem["kind"] == "invalid" or REGISTRY[name].kind == "stream", (case, outcome.unsaid)
                continue
            assert masked(outcome.problem) == masked(wanted.problem), case
            assert masked(outcome.result) == masked(wanted.result), case


@pytest.mark.parametrize("name", [operation.name for operation in operations()])
async def test_bad_input_is_refused_by_kind(outcomes: dict[str, Outcomes], name: str) -> None:
    for (operation, case), outcome in outcomes[REFERENCE].items():
        if operation != name:
            continue
        kind = None if outcome.problem is None else outcome.problem["kind"]
        if case == "without the scope":
            # A key always tells who it is.
            assert kind == "forbidden" or name == "keys.current"
        elif case.startswith(("example", "dry run")) or "10,000" in case:
            # Some texts may be long, and an example may meet what an earlier call left.
            assert kind in (None, "invalid", "not_found", "conflict"), (case, outcome.problem)
        elif case.startswith("forged"):
            # Whose list it is may be looked up first, and that may not exist.
            assert kind in ("invalid", "not_found"), (case, outcome)
        else:
            assert kind == "invalid", (case, outcome)


@pytest.mark.parametrize("name", [operation.name for operation in operations() if operation.kind != "stream"])
async def test_the_example_of_an_operation_is_well_formed(outcomes: dict[str, Outcomes], name: str) -> None:
    """It works in the example society, unless it names an id made anew each time, or what an earlier one ended."""
    case = "dry run" if (name, "dry run") in outcomes[REFERENCE] else "example"
    problem = outcomes[REFERENCE][name, case].problem
    assert problem is None or problem["kind"] in ("not_found", "conflict"), problem
