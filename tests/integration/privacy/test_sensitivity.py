"""Whatever one tenant holds, and whether it is there at all, moves the sums of a plan by no more than its bounds say.

By brute force, over small random groups, through the statements that a release runs. The same on functions that were
broken on purpose shows that a broken one is noticed: here, by the bounds asserted in code, or by an audit of what
somebody can tell from the noisy sums.
"""

import random
from collections.abc import AsyncIterator, Mapping
from decimal import Decimal
from math import sqrt
from uuid import UUID

import psycopg
import pytest
import pytest_asyncio

from moothill.database.embedded import EmbeddedServer
from moothill.kernel.settings import Settings
from moothill.session import open_database
from moothill.tenancy.privacy import mechanisms, rules
from moothill.tenancy.privacy.contributions import summed
from moothill.tenancy.privacy.errors import ContributionOutOfBounds
from moothill.tenancy.privacy.plans import PLANS, QUERIES, Question
from tests.conftest import cloned
from tests.integration.privacy.laboratory import BROKEN, Laboratory, added, asked, distances
from tests.integration.privacy.societies import Circle, Shown
from tests.noise_statistics import least_epsilon, least_mu

Sums = Mapping[tuple[str, int], int]
SOCIETIES = 6
DRAWS = 3_000
# One query for each plan: queries of one plan share its sums.
ASKED = {plan: next(name for name, query in QUERIES.items() if query.plan.name == plan) for plan in PLANS}


@pytest_asyncio.fixture(scope="module")
async def database(server: EmbeddedServer) -> AsyncIterator[str]:
    """A database whose functions may be broken."""
    async with cloned(server, "privacy") as name:
        yield name


@pytest_asyncio.fixture
async def laboratory(server: EmbeddedServer, settings: Settings, database: str) -> AsyncIterator[Laboratory]:
    """An empty group in it."""
    platform = await open_database(server.dsn("app", database), settings, "default", create=True)
    try:
        async with await psycopg.AsyncConnection.connect(server.dsn("admin", database), autocommit=True) as admin:
            yield Laboratory(await Circle.begin(platform, admin))
    finally:
        await platform.close()


def society(seed: int) -> list[dict[str, Shown]]:
    """A few tenants with a few labels each: some with none, some with all, some with a great many demonstrations."""
    chance = random.Random(seed)
    tenants = []
    for _ in range(6):
        labels = chance.sample(["a", "b", "c", "d", "e"], chance.randint(0, 5))
        shown = [chance.choice([0, 1, 3, 19, 20, 21, 500]) for _ in labels]
        tenants.append({label: (n, chance.randint(0, n)) for label, n in zip(labels, shown, strict=True)})
    return tenants


@pytest.mark.parametrize("seed", range(SOCIETIES))
@pytest.mark.parametrize("plan", ASKED)
async def test_one_tenant_more_or_less_stays_within_the_bounds(laboratory: Laboratory, plan: str, seed: int) -> None:
    tenants = await laboratory.circle.join(*society(seed))
    to = asked(ASKED[plan])
    everybody = await laboratory.contributions(to)
    summed(to, everybody)
    assert everybody
    for tenant in tenants:
        l1, squared = distances(added(everybody), added(await laboratory.contributions(to, without=tenant)))
        if to.noise.mechanism == "laplace":
            assert l1 <= to.noise.reach
        assert squared <= to.noise.reach * (1 if to.noise.mechanism == "gaussian" else to.plan.largest)
    # The cells of a tenant are the same whenever they are drawn.
    assert added(await laboratory.contributions(to)) == added(everybody)


async def crowd(laboratory: Laboratory, how: str) -> list[UUID]:
    """Tenants that hold so much that whatever has no bound moves a long way."""
    if how.startswith("the first"):
        # Who comes first keeps the others out.
        return await laboratory.circle.join(dict.fromkeys("ab", (1_000, 900)), dict.fromkeys("cd", (1_000, 900)))
    return await laboratory.circle.join(*[dict.fromkeys("abcd", (1_000, 900))] * 4)


def aimed_at(how: str) -> Question:
    """The question whose plan is broken in this way; its noise is small enough for an audit to see through."""
    if BROKEN[how][0] == "privacy_labels":
        return asked("popular_labels", epsilon=Decimal(2))
    return asked("success_rates", epsilon=Decimal(20))


async def neighbours(laboratory: Laboratory, to: Question, tenants: list[UUID]) -> tuple[Sums, Sums]:
    """The sums with everybody, and those of the neighbour that is farthest from them."""
    everybody = added(await laboratory.contributions(to))
    others = [added(await laboratory.contributions(to, without=each)) for each in tenants]
    return everybody, max(others, key=lambda other: distances(everybody, other))


@pytest.mark.parametrize("how", BROKEN)
async def test_a_broken_bound_is_noticed(laboratory: Laboratory, how: str) -> None:
    """Brute force finds it; and what goes beyond a bound of one tenant is not released."""
    tenants, to = await crowd(laboratory, how), aimed_at(how)
    async with laboratory.broken(how):
        l1, squared = distances(*await neighbours(laboratory, to, tenants))
        assert (l1 if to.noise.mechanism == "laplace" else squared) > to.noise.reach
        if not how.startswith("the first"):
            with pytest.raises(ContributionOutOfBounds):
                summed(to, await laboratory.contributions(to))


def audited(to: Question, with_it: Sums, without: Sums) -> float:
    """By how much the best event tells two databases apart, less what is claimed; above 0 it tells too much.

    Noise is drawn many times over the true sums of both. The event for Laplace noise is that every sum that differs
    lies on the far side of the other database's; for Gaussian noise, that the noisy sums lie nearer to one.
    """
    cells = sorted(cell for cell in with_it.keys() | without.keys() if with_it.get(cell, 0) != without.get(cell, 0))
    here, there = [with_it.get(cell, 0) for cell in cells], [without.get(cell, 0) for cell in cells]

    def drawn(true: list[int]) -> list[list[int]]:
        flat = mechanisms.add_noise(to.noise, true * DRAWS)
        return [flat[at : at + len(true)] for at in range(0, len(flat), len(true))]

    def far(noisy: list[int]) -> bool:
        return all((said >= h) if h > t else (said <= h) for said, h, t in zip(noisy, here, there, strict=True))

    def nearer(noisy: list[int]) -> bool:
        return sum((said - t) * (h - t) for said, h, t in zip(noisy, here, there, strict=True)) * 2 > sum(
            (h - t) ** 2 for h, t in zip(here, there, strict=True)
        )

    tells = far if to.noise.mechanism == "laplace" else nearer
    absent, present = ([tells(each) for each in drawn(true)] for true in (there, here))
    if to.noise.mechanism == "laplace":
        return least_epsilon(absent, present) - to.noise.cost / rules.NANO
    return least_mu(absent, present) - sqrt(2 * to.noise.cost / rules.NANO)


@pytest.mark.parametrize("how", BROKEN)
async def test_an_audit_of_what_is_told_passes_the_real_bounds_and_catches_broken_ones(
    laboratory: Laboratory, how: str
) -> None:
    """The privacy loss, estimated from below, of the neighbour that is told apart best."""
    tenants, to = await crowd(laboratory, how), aimed_at(how)
    assert audited(to, *await neighbours(laboratory, to, tenants)) <= 0
    async with laboratory.broken(how):
        assert audited(to, *await neighbours(laboratory, to, tenants)) > 0


async def test_lots_are_drawn_by_a_key_and_not_by_what_comes_first(laboratory: Laboratory) -> None:
    """Which labels of a tenant count follows from a secret: others than the first, others for each tenant."""
    labels = {f"{n:02}": (1, 1) for n in range(20)}
    await laboratory.circle.join(*[labels] * 12)
    rows = await laboratory.contributions(asked("popular_labels"))
    chosen: dict[int, set[str]] = {}
    for each in rows:
        chosen.setdefault(each.contributor, set()).add(each.cell)
    assert [len(own) for own in chosen.values()] == [2] * 12
    assert len({frozenset(own) for own in chosen.values()}) > 6
    assert len({cell for own in chosen.values() for cell in own}) > 8
    # Another key, other lots.
    await laboratory.circle.ask("update moothill.privacy_keys set secret = sha256(secret)")
    assert added(await laboratory.contributions(asked("popular_labels"))) != added(rows)


async def test_what_is_not_a_live_agents_or_was_rejected_does_not_count(laboratory: Laboratory) -> None:
    one, two, _ = await laboratory.circle.join({"a": (4, 4)}, {"a": (4, 4)}, {"a": (4, 4), "b": (0, 0)})
    await laboratory.circle.ask("update moothill.agents set deactivated_at = now() where tenant_id = %s", one)
    await laboratory.circle.ask(
        "update moothill.capabilities set validation_status = 'rejected' where tenant_id = %s", two
    )
    assert added(await laboratory.contributions(asked("popular_labels"))) == {("a", 0): 1, ("b", 0): 1}
    # What was never shown says nothing of success.
    assert added(await laboratory.contributions(asked("success_rates"))) == {("a", 0): 4, ("a", 1): 0}
