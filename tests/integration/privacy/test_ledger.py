"""The ledger: paid before it is drawn, never beyond the cap, never given back, the same answer for nothing."""

import asyncio
import os
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from itertools import product
from pathlib import Path
from typing import Any

import psycopg
import pytest

from moothill.database.embedded import EmbeddedServer
from moothill.kernel.errors import Exhausted, Invalid, NotFound
from moothill.moot import Moot
from moothill.tenancy.privacy import mechanisms, rules
from moothill.tenancy.privacy.errors import (
    ContributionOutOfBounds,
    LabelsNotTaken,
    LabelsWanted,
    MechanismDisagrees,
    PrivacyBudgetExhausted,
    PrivacyExtraMissing,
    QueryUnknown,
    ReleaseInProgress,
)
from tests.conftest import DATABASE
from tests.integration.privacy.societies import Circle
from tests.integration.privacy.spender import BARRIER

ROOT = Path(__file__).resolve().parents[3]
LABELS: dict[str, Any] = {"query": "popular_labels", "epsilon": Decimal("0.25")}
RATES: dict[str, Any] = {"query": "success_rates", "epsilon": Decimal("0.5"), "labels": ["law"]}
QUARTER = 250_000_000


@asynccontextmanager
async def spender(dsn: str, tenant: str, how: str, first: int, last: int) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "tests.integration.privacy.spender", dsn, tenant, how, str(first), str(last)),
        stdout=asyncio.subprocess.PIPE,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)])},
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def line(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None
    async with asyncio.timeout(60):
        return (await process.stdout.readline()).decode().strip()


async def slug_of(circle: Circle) -> str:
    return (await circle.asker.keys.current()).tenant_slug


async def test_twenty_four_at_the_edge_of_the_budget_spend_no_more_than_it(
    circle: Circle, server: EmbeddedServer
) -> None:
    """Four processes with six questions each, let go at once; the budget reaches for eight of the twenty-four."""
    dsn, slug = server.dsn("app", DATABASE), await slug_of(circle)
    async with await psycopg.AsyncConnection.connect(dsn) as gate:
        await gate.execute("select pg_advisory_xact_lock(%s)", [BARRIER])
        async with (
            spender(dsn, slug, "race", 10, 15) as one,
            spender(dsn, slug, "race", 16, 21) as two,
            spender(dsn, slug, "race", 22, 27) as three,
            spender(dsn, slug, "race", 28, 33) as four,
        ):
            racers = (one, two, three, four)
            assert [await line(each) for each in racers] == ["ready"] * 4
            await gate.commit()
            outcomes = Counter([await line(each) for each in racers for _ in range(6)])
    assert outcomes == {"released": 8, "privacy_budget_exhausted": 16}
    (ledger,) = (await circle.asker.privacy.budget()).ledgers
    assert (ledger.spent, ledger.cap, ledger.left) == (10**9, 10**9, 0)
    audit = await circle.asker.privacy.audit()
    assert (audit.adds_up, audit.releases, audit.findings) == (True, 8, [])


async def test_a_process_that_is_killed_between_paying_and_drawing_has_spent(
    circle: Circle, server: EmbeddedServer
) -> None:
    """Nothing is refunded: the next who asks the same pays again."""
    async with spender(server.dsn("app", DATABASE), await slug_of(circle), "hang", 10, 10) as process:
        assert await line(process) == "paid"
        os.kill(process.pid, signal.SIGKILL)
        await process.wait()
    cost = await circle.spent()
    assert cost == 125_000_000
    (lost,) = (await circle.asker.privacy.releases()).items
    assert (lost.state, lost.cells, lost.released_at) == ("charged", [], None)
    again: dict[str, Any] = {"query": "popular_labels", "epsilon": Decimal("0.125"), "k_anonymity": 10}
    with pytest.raises(ReleaseInProgress, match="ask again in a minute"):
        await circle.asker.privacy.release(**again)
    assert await circle.spent() == cost
    await circle.ask(
        "update moothill.privacy_releases set charged_at = now() - interval '3 minutes' where id = %s", lost.id
    )
    second = await circle.asker.privacy.release(**again)
    assert (second.state, second.replayed, second.spent_before) == ("released", False, cost)
    assert await circle.spent() == 2 * cost
    assert [each.state for each in (await circle.asker.privacy.releases()).items] == ["released", "lost"]
    assert (await circle.asker.privacy.audit()).adds_up


async def test_a_failure_between_paying_and_drawing_has_spent(circle: Circle, monkeypatch: pytest.MonkeyPatch) -> None:
    await circle.join({"law": (1, 1)})

    def fail(*_: Any) -> Any:
        raise ContributionOutOfBounds()

    monkeypatch.setattr("moothill.tenancy.privacy.releases.summed", fail)
    with pytest.raises(ContributionOutOfBounds):
        await circle.asker.privacy.release(**LABELS)
    assert await circle.spent() == QUARTER
    (row,) = await circle.ask(
        "select state, output, drawn_in from moothill.privacy_releases where tenant_group = %s", circle.group
    )
    assert row == ("charged", None, None)
    kinds = [each.kind for each in (await circle.asker.events.list(kind="privacy.")).items]
    assert "privacy.released" not in kinds


async def test_what_fails_before_paying_spends_nothing(circle: Circle, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> str:
        raise PrivacyExtraMissing()

    def disagrees(_: Any) -> None:
        raise MechanismDisagrees()

    for name, replacement, error in (
        ("library", missing, PrivacyExtraMissing),
        ("check", disagrees, MechanismDisagrees),
    ):
        with monkeypatch.context() as patched:
            patched.setattr(mechanisms, name, replacement)
            with pytest.raises(error):
                await circle.asker.privacy.release(**LABELS)
    assert (await circle.asker.privacy.budget()).ledgers == []


async def test_the_same_question_gets_the_same_answer_for_nothing(circle: Circle) -> None:
    await circle.join(*[{"law": (20, 15)}] * 60)
    labels = {**LABELS, "epsilon": Decimal(1), "cells_per_tenant": 1}
    first = await circle.asker.privacy.release(**labels)
    assert [each.label for each in first.cells] == ["law"]
    # The data moves on; the answer of this month does not, or its noise could be averaged away.
    await circle.join(*[{"law": (20, 15)}] * 20)
    spent = await circle.spent()
    for _ in range(3):
        again = await circle.asker.privacy.release(**labels)
        assert again == first.model_copy(update={"replayed": True})
    assert await circle.spent() == spent == 10**9
    assert len((await circle.asker.privacy.releases()).items) == 1


async def test_a_prior_is_read_off_the_sums_of_a_release_for_nothing(circle: Circle) -> None:
    await circle.join(*[{"law": (20, 15)}] * 80)
    rates = await circle.asker.privacy.release(**RATES)
    priors = await circle.asker.privacy.release(**{**RATES, "query": "reputation_priors", "labels": [" LAW "]})
    assert (priors.id, priors.replayed, priors.query) == (rates.id, True, "reputation_priors")
    assert {name for each in priors.cells for name in each.values} <= {"alpha", "beta"}
    assert await circle.spent("performance") == rates.cost


async def test_those_who_ask_the_same_at_once_pay_once(circle: Circle) -> None:
    outcomes = await asyncio.gather(*(circle.asker.privacy.release(**LABELS) for _ in range(6)), return_exceptions=True)
    told = [each for each in outcomes if not isinstance(each, BaseException)]
    assert told
    assert all(isinstance(each, ReleaseInProgress) for each in outcomes if isinstance(each, BaseException))
    assert len({each.id for each in told}) == 1
    assert [each.replayed for each in told].count(False) == 1
    assert await circle.spent() == QUARTER


async def test_another_tenant_of_the_group_reads_the_same_and_one_of_another_group_pays_itself(
    circle: Circle, moot: Moot
) -> None:
    slug = f"second-{circle.group[7:30]}"
    await circle.moot.tenants.create(slug=slug, name="Second", project=circle.group)
    first = await circle.asker.privacy.release(**LABELS)
    second = await circle.moot.tenant(slug).privacy.release(**LABELS)
    assert (second.id, second.replayed) == (first.id, True)
    elsewhere = await moot.privacy.release(**LABELS)
    assert (elsewhere.id != first.id, elsewhere.group != first.group) == (True, True)
    assert first.id not in [each.id for each in (await moot.privacy.releases()).items]


async def test_the_budget_ends_and_begins_anew_with_the_month(circle: Circle) -> None:
    whole = {**LABELS, "epsilon": Decimal(1)}
    await circle.asker.privacy.release(**whole)
    with pytest.raises(PrivacyBudgetExhausted, match="0 are left; nothing was spent") as refusal:
        await circle.asker.privacy.release(**LABELS)
    assert isinstance(refusal.value, Exhausted)
    assert refusal.value.context == {"cost": QUARTER, "left": 0}
    # Another family has a budget of its own.
    await circle.asker.privacy.release(**RATES)
    # Last month's ledger stays, and counts.
    for table in ("privacy_ledgers", "privacy_releases"):
        await circle.ask(f"update moothill.{table} set epoch = '2020-01' where tenant_group = %s", circle.group)
    renewed = await circle.asker.privacy.release(**whole)
    assert (renewed.replayed, renewed.spent_before) == (False, 0)
    budget = await circle.asker.privacy.budget()
    assert budget.cumulative_nano_epsilon == 2 * 10**9
    assert budget.cumulative_epsilon > 2
    assert (await circle.asker.privacy.audit()).adds_up


async def test_a_cap_that_was_lowered_holds_at_once_and_one_that_was_raised_from_the_next_month(
    circle: Circle,
) -> None:
    await circle.asker.privacy.release(**LABELS)
    await circle.ask("update moothill.privacy_ledgers set cap = %s where tenant_group = %s", QUARTER, circle.group)
    with pytest.raises(PrivacyBudgetExhausted):
        await circle.asker.privacy.release(**{**LABELS, "k_anonymity": 11})
    assert await circle.spent() == QUARTER


async def test_delta_has_a_cap_of_its_own(circle: Circle) -> None:
    await circle.asker.privacy.release(**{**LABELS, "delta": Decimal("0.00001")})
    with pytest.raises(PrivacyBudgetExhausted):
        await circle.asker.privacy.release(**{**LABELS, "delta": Decimal("0.0000001")})
    assert await circle.spent() == QUARTER


@pytest.mark.parametrize(
    ("asked", "error"),
    [
        ({"epsilon": Decimal(0)}, Invalid),
        ({"epsilon": Decimal(-1)}, Invalid),
        ({"epsilon": "NaN"}, Invalid),
        ({"epsilon": "1e-1"}, Invalid),
        ({"epsilon": Decimal(1000)}, Invalid),
        ({"delta": Decimal(0)}, Invalid),
        ({"delta": Decimal("0.5")}, Invalid),
        ({"k_anonymity": 1}, Invalid),
        ({"cells_per_tenant": 0}, Invalid),
        ({"noise_magnitude": Decimal(-1)}, Invalid),
        ({"labels": []}, Invalid),
        ({"labels": ["law"]}, LabelsNotTaken),
        ({"query": "success_rates"}, LabelsWanted),
        ({"query": "embeddings"}, QueryUnknown),
        ({"query": "popular_label"}, NotFound),
    ],
)
async def test_what_cannot_be_asked_is_refused_and_spends_nothing(
    circle: Circle, asked: dict[str, Any], error: type[Exception]
) -> None:
    for call in (circle.asker.privacy.release, circle.asker.privacy.estimate, circle.asker.privacy.release.plan):
        with pytest.raises(error):
            await call(**{**LABELS, **asked})
    assert (await circle.asker.privacy.budget()).ledgers == []
    assert (await circle.asker.privacy.releases()).items == []


async def test_the_error_is_shown_before_anything_is_spent(circle: Circle) -> None:
    told = await circle.asker.privacy.estimate(**LABELS)
    plan = await circle.asker.privacy.release.plan(**LABELS)
    assert (told.cost, told.share) == (QUARTER, Decimal("0.2500"))
    assert plan.counts["error"] == told.error > 0
    assert plan.counts["left"] == 10**9
    assert f"fewer than about {told.tenants_needed} tenants" in plan.summary
    assert (await circle.asker.privacy.budget()).ledgers == []
    await circle.asker.privacy.release(**LABELS)
    assert (await circle.asker.privacy.release.plan(**LABELS)).counts["left"] == 3 * QUARTER


async def test_a_release_joins_no_transaction_that_could_take_it_back(circle: Circle) -> None:
    """Whoever saw the answer and rolled back would have read for nothing."""
    with pytest.raises(Invalid, match="cannot join"):
        async with circle.asker.transaction() as inside:
            await inside.privacy.release(**LABELS)
    with pytest.raises(Invalid, match="cannot join"):
        await circle.asker.batch([circle.asker.privacy.release.call(**LABELS)])
    assert (await circle.asker.privacy.budget()).ledgers == []


async def test_a_release_says_all_that_an_auditor_needs(circle: Circle) -> None:
    await circle.join(*[{"law": (20, 15)}] * 60)
    await circle.asker.privacy.release(**LABELS)
    second = await circle.asker.privacy.release(**{**LABELS, "epsilon": Decimal("0.5"), "cells_per_tenant": 1})
    listed = (await circle.asker.privacy.releases()).items
    assert listed[0] == second
    assert (second.spent_before, second.spent_after) == (QUARTER, 3 * QUARTER)
    assert second.library.startswith("opendp 0.")
    assert (second.mechanism, second.largest) == ("discrete Laplace, thresholded", 1)
    assert second.scale == 2
    events = {each.kind: each for each in (await circle.asker.events.list(subject=second.id)).items}
    assert set(events) <= {"privacy.charged", "privacy.released"}
    (row,) = await circle.ask(
        "select payload from moothill.events where subject = %s and kind = 'privacy.released'", second.id
    )
    assert row[0]["output"] == [{"cell": each.label, "sums": [int(each.values["tenants"])]} for each in second.cells]
    assert (row[0]["spent_before"], row[0]["spent_after"], row[0]["library"]) == (
        second.spent_before,
        second.spent_after,
        second.library,
    )
    months = (await circle.asker.privacy.releases(epoch="2020-01")).items
    assert months == []


@pytest.mark.parametrize(
    ("change", "finding"),
    [
        ("update moothill.privacy_ledgers set spent = spent - 1 where tenant_group = %s", "the ledger says"),
        ("update moothill.privacy_releases set cost = 1 where tenant_group = %s", "its noise costs"),
        ("update moothill.privacy_releases set scale = scale / 2 where tenant_group = %s", "its noise costs"),
        ("delete from moothill.privacy_releases where tenant_group = %s and place = 1", "where charge 1 was expected"),
        ("delete from moothill.privacy_ledgers where tenant_group = %s", "was charged to no ledger"),
    ],
)
async def test_an_audit_finds_what_was_tampered_with(circle: Circle, change: str, finding: str) -> None:
    await circle.asker.privacy.release(**LABELS)
    await circle.asker.privacy.release(**{**LABELS, "k_anonymity": 11})
    assert (await circle.asker.privacy.audit()).adds_up
    await circle.ask(change, circle.group)
    audit = await circle.asker.privacy.audit()
    assert not audit.adds_up
    assert any(finding in each for each in audit.findings), audit.findings


async def test_pages_of_releases_go_on_where_they_ended(circle: Circle) -> None:
    made = [
        (await circle.asker.privacy.release(**{**LABELS, "epsilon": Decimal("0.1"), "k_anonymity": k})).id
        for k in (10, 11, 12)
    ]
    first = await circle.asker.privacy.releases(limit=2)
    rest = await circle.asker.privacy.releases(limit=2, cursor=first.next)
    assert [each.id for each in (*first.items, *rest.items)] == made[::-1]
    assert rest.next is None


async def test_the_database_and_the_rules_agree_on_what_is_afforded(circle: Circle) -> None:
    """The same arithmetic stands in two places; here they meet, at the very edge."""
    cases = []
    for case in range(40):
        epsilon, delta = Decimal(case + 1) / 8, Decimal(10) ** -(3 + case % 9)
        rho, whole = rules.rho_of(epsilon, delta / 2), int(delta * rules.PICO)
        rhos = (0, 1, max(0, rho - 2 * 10**6), rho - 1, rho, rho + 1, rho + 2)
        losses = product((0, 12_345_678), rhos, (0, whole // 2, whole, whole + 1))
        cases += [(*loss, epsilon, delta) for loss in losses]
    (answers,) = await circle.ask(
        "select array_agg(moothill.privacy_affords(e, r, d, epsilon, delta) order by place) "
        "from unnest(%s::bigint[], %s::bigint[], %s::bigint[], %s::numeric[], %s::numeric[]) "
        "with ordinality as given (e, r, d, epsilon, delta, place)",
        *map(list, zip(*cases, strict=True)),
    )
    for each, afforded in zip(cases, answers[0], strict=True):
        assert rules.affords(*each[:3], epsilon=each[3], delta=each[4]) == afforded, each
    assert 0 < sum(answers[0]) < len(cases)
