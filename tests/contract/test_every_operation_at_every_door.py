"""Every operation gives the same result and the same error at every door.

Each door gets a society of its own, the same at the start, and runs the same calls in the same order;
what came of them is then compared with what came of them at the local SDK.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import pytest
import pytest_asyncio

from moothill.database.embedded import EmbeddedServer
from moothill.demo import load
from moothill.kernel.settings import Settings
from moothill.session import open_database
from tests.conftest import cloned
from tests.contract.adapters import DOORS, REFERENCE, Outcome, Site, masked
from tests.contract.cases import cases_of, operations
from tests.serving import serving

Outcomes = dict[tuple[str, str], Outcome]
Society = Callable[[], Awaitable[Site]]


@pytest_asyncio.fixture(scope="session")
async def society(server: EmbeddedServer, settings: Settings) -> AsyncIterator[Society]:
    """Makes copies of the example society, each with a database and a server of its own."""
    generous = settings.model_copy(update={"rate_limit": 10_000_000})
    async with AsyncExitStack() as stack:
        furnished = await stack.enter_async_context(cloned(server, "contract"))
        moot = await open_database(server.dsn("app", furnished), settings, "default", create=True)
        await load(moot)
        await moot.close()

        async def make() -> Site:
            dsn = server.dsn("app", await stack.enter_async_context(cloned(server, "contract", furnished)))
            live = await stack.enter_async_context(serving(dsn, generous))
            keys = {True: await live.key(live.moot), False: await live.key(live.moot, "nothing:read")}
            return Site(live, live.moot, dsn, keys)

        yield make


@pytest_asyncio.fixture(scope="session")
async def outcomes(society: Society) -> dict[str, Outcomes]:
    """What came of every call at each door; the doors are gone through side by side."""

    async def at(door: str, site: Site) -> Outcomes:
        async with DOORS[door](site) as opened:
            return {
                (operation.name, case.name): await opened.call(operation, case)
                for operation in operations()
                for case in cases_of(operation)
            }

    sites = {door: await society() for door in DOORS}
    return dict(zip(sites, await asyncio.gather(*(at(*each) for each in sites.items())), strict=True))


@pytest.mark.parametrize("name", [operation.name for operation in operations()])
@pytest.mark.parametrize("door", [door for door in DOORS if door != REFERENCE])
async def test_an_operation_gives_the_same_outcome_at_each_door(
    outcomes: dict[str, Outcomes], door: str, name: str
) -> None:
    expected = outcomes[REFERENCE]
    for (operation, case), outcome in outcomes[door].items():
        if operation == name:
            wanted = expected[operation, case]
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
