"""The arithmetic of privacy: costs are never too low, thresholds never too low, and ledgers add up or say why not."""

import ast
import inspect
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal, localcontext
from fractions import Fraction
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

import moothill.tenancy.privacy as package
from moothill.tenancy.privacy import rules
from moothill.tenancy.privacy.contributions import summed
from moothill.tenancy.privacy.errors import ContributionOutOfBounds, LabelsNotTaken, LabelsWanted, QueryUnknown
from moothill.tenancy.privacy.models import Contribution, LedgerRow, ReleaseRow, StoredCell
from moothill.tenancy.privacy.plans import PLANS, QUERIES, Plan, Question, cells_of, described, question

FOLDER = Path(inspect.getfile(package)).parent

epsilons = st.decimals("0.01", "20", places=4)
deltas = st.decimals("0.000000000001", "0.001", places=12)
groups = st.integers(2, 100)
cells = st.integers(1, 32)
floors = st.decimals("0", "50", places=4)


def ask(query: str = "popular_labels", **changed: object) -> Question:
    given_: dict[str, object] = {
        "query": query,
        "epsilon": Decimal(1),
        "delta": Decimal("0.000001"),
        "k_anonymity": 10,
        "labels": ["law", "latin"] if query != "popular_labels" else None,
        "cells_per_tenant": None,
        "noise_magnitude": Decimal(0),
        **changed,
    }
    return question(**given_)  # type: ignore[arg-type]


# --- noise


@given(cells, epsilons, deltas, groups, floors)
def test_laplace_noise_costs_at_most_what_was_asked_and_at_least_what_it_is(
    per_tenant: int, epsilon: Decimal, delta: Decimal, k: int, floor: Decimal
) -> None:
    noise = rules.laplace_noise(per_tenant=per_tenant, epsilon=epsilon, delta=delta, k=k, floor=floor)
    exact = Fraction(per_tenant * rules.UNITS, noise.scale)
    assert exact <= Fraction(epsilon)
    assert 0 <= noise.cost - exact * rules.NANO < 1
    assert 0 <= noise.cost_delta - Fraction(delta) * rules.PICO < 1
    assert Fraction(noise.scale, rules.UNITS * per_tenant) >= Fraction(floor)
    assert noise.ratio >= floor.quantize(Decimal("0.0001"))


@given(cells, epsilons, deltas, groups)
def test_a_cell_that_one_tenant_lifted_to_k_hardly_shows(
    per_tenant: int, epsilon: Decimal, delta: Decimal, k: int
) -> None:
    """The threshold is the lowest whole number that keeps within delta, above the floor."""
    noise = rules.laplace_noise(per_tenant=per_tenant, epsilon=epsilon, delta=delta, k=k, floor=Decimal(0))
    with localcontext() as exact:
        exact.prec = 60
        q = (-Decimal(rules.UNITS) / noise.scale).exp()

        def shows(threshold: int) -> Decimal:
            return per_tenant * q ** (threshold - k) / (1 + q)

        assert shows(noise.threshold) <= delta
        assert noise.threshold == k + 1 or shows(noise.threshold - 1) > delta


def test_the_threshold_of_the_textbook() -> None:
    """At epsilon 1 and delta one in a million a label needs 15 tenants; a floor of k raises that by k - 1."""
    for epsilon, needed in (("1", 15), ("2", 8), ("0.5", 28)):
        noise = rules.laplace_noise(
            per_tenant=1, epsilon=Decimal(epsilon), delta=Decimal("0.000001"), k=1, floor=Decimal(0)
        )
        assert noise.threshold == needed
        assert ask(epsilon=Decimal(epsilon), cells_per_tenant=1).noise.threshold == needed + 9


@given(cells, st.integers(1, 100), epsilons, deltas, groups, floors)
def test_gaussian_noise_costs_at_most_what_was_asked_and_at_least_what_it_is(
    per_tenant: int, largest: int, epsilon: Decimal, delta: Decimal, k: int, floor: Decimal
) -> None:
    noise = rules.gaussian_noise(
        per_tenant=per_tenant, largest=largest, amounts=2, epsilon=epsilon, delta=delta, k=k, floor=floor
    )
    exact = Fraction(per_tenant * largest**2 * rules.UNITS**2, 2 * noise.scale**2)
    assert 0 <= noise.cost - exact * rules.NANO < 1
    assert noise.cost <= rules.rho_of(epsilon, delta)
    assert rules.epsilon_of(noise.cost, delta) <= Fraction(epsilon) * rules.NANO
    assert Fraction(noise.scale, rules.UNITS) ** 2 >= Fraction(floor) ** 2 * per_tenant * largest**2
    assert noise.threshold > (k - 1) * largest
    assert noise.cost_delta == 0


@given(epsilons, deltas)
def test_rho_and_epsilon_turn_into_each_other_and_lose_only_in_the_safe_direction(
    epsilon: Decimal, delta: Decimal
) -> None:
    rho = rules.rho_of(epsilon, delta)
    assert rules.epsilon_of(rho, delta) <= epsilon * rules.NANO < rules.epsilon_of(rho + 1, delta)


def test_the_rho_of_the_textbook() -> None:
    assert rules.rho_of(Decimal(1), Decimal("0.000001")) == 17_468_904
    assert rules.epsilon_of(0, Decimal("0.1")) == 0


@given(st.integers(0, 10**10), st.integers(0, 10**9), st.integers(0, 10**7), epsilons, deltas)
def test_what_is_afforded_is_afforded_with_less(
    nano_epsilon: int, nano_rho: int, pico_delta: int, epsilon: Decimal, delta: Decimal
) -> None:
    if rules.affords(nano_epsilon, nano_rho, pico_delta, epsilon=epsilon, delta=delta):
        assert rules.affords(nano_epsilon // 2, nano_rho // 2, pico_delta // 2, epsilon=epsilon, delta=delta)
        assert rules.affords(nano_epsilon, 0, pico_delta, epsilon=epsilon, delta=delta)
        assert nano_epsilon + rules.epsilon_of(nano_rho, delta / 2) <= epsilon * rules.NANO
        assert pico_delta <= delta * rules.PICO


def test_without_delta_only_pure_losses_are_afforded() -> None:
    assert rules.affords(10**9, 0, 0, epsilon=Decimal(1), delta=Decimal(0))
    assert not rules.affords(10**9 + 1, 0, 0, epsilon=Decimal(1), delta=Decimal(0))
    assert not rules.affords(0, 1, 0, epsilon=Decimal(1), delta=Decimal(0))
    assert not rules.affords(1, 0, 1, epsilon=Decimal(1), delta=Decimal(0))


def test_the_error_of_each_noise_is_that_of_its_distribution() -> None:
    laplace = ask(cells_per_tenant=1).noise
    with localcontext() as exact:
        exact.prec = 40
        q = (-Decimal(rules.UNITS) / laplace.scale).exp()

        def beyond(h: int) -> Decimal:
            return 2 * q ** (h + 1) / (1 + q)

        assert beyond(laplace.error) <= Decimal("0.05") < beyond(laplace.error - 1)
        variance = 2 * q / (1 - q) ** 2
    assert abs(laplace.deviation**2 / variance - 1) < Decimal("0.02")
    gaussian = ask("success_rates").noise
    assert gaussian.deviation == pytest.approx(Decimal(gaussian.scale) / rules.UNITS, abs=Decimal("0.01"))
    assert gaussian.error == pytest.approx(gaussian.deviation * Decimal("1.96"), abs=1)


def test_answers_come_in_steps() -> None:
    for elapsed in (0.0, 0.03, 0.0999, 0.1, 1.234):
        whole = (elapsed + rules.padding(elapsed)) / rules.RESPONSE_STEP
        assert whole == pytest.approx(round(whole))
        assert 0 < rules.padding(elapsed) <= rules.RESPONSE_STEP


# --- questions


def test_the_same_question_has_the_same_digest_however_it_is_written() -> None:
    same = ask("success_rates", labels=["Latin ", "LAW", "law"], epsilon=Decimal("1.0000"))
    assert same.digest == ask("success_rates").digest
    # A prior is read off the same sums.
    assert same.digest == ask("reputation_priors").digest
    others: list[dict[str, object]] = [
        {"epsilon": Decimal("0.9")},
        {"delta": Decimal("0.0000011")},
        {"k_anonymity": 11},
        {"labels": ["law"]},
        {"cells_per_tenant": 1},
        {"noise_magnitude": Decimal("0.1")},
    ]
    digests = {ask("success_rates", **other).digest for other in others} | {same.digest, ask().digest}
    assert len(digests) == len(others) + 2


def test_a_question_that_cannot_be_asked_says_why() -> None:
    with pytest.raises(QueryUnknown, match='Did you mean "popular_labels"'):
        ask("popular_label", labels=None)
    with pytest.raises(QueryUnknown, match=r"privacy\.queries"):
        ask("embeddings", labels=None)
    with pytest.raises(LabelsWanted):
        ask("success_rates", labels=None)
    with pytest.raises(LabelsNotTaken):
        ask(labels=["law"])


def test_more_labels_than_a_tenant_may_fill_change_only_the_bound() -> None:
    assert ask("success_rates", labels=["law"], cells_per_tenant=9).per_tenant == 1
    assert ask("success_rates", labels=[str(n) for n in range(20)]).per_tenant == 8


def test_an_estimate_says_who_will_hardly_show() -> None:
    asked = ask(cells_per_tenant=1)
    told = asked.estimate(2 * asked.noise.cost, 4 * asked.noise.cost_delta)
    assert (told.share, told.threshold, told.tenants_needed) == (Decimal("0.5000"), 24, 24 + told.error)
    assert "fewer than about 27 tenants" in told.advice


def test_each_query_tells_what_it_lists() -> None:
    for each in described():
        sums = [7] * PLANS[QUERIES[each.name].plan.name].amounts
        (cell,) = cells_of(each.name, [StoredCell(cell="law", sums=sums)])
        assert sorted(cell.values) == sorted(each.values)


@given(st.integers(-500, 5000), st.integers(-500, 5000))
def test_rates_and_priors_make_sense_whatever_the_noise_did(successes: int, failures: int) -> None:
    stored = [StoredCell(cell="law", sums=[successes, failures])]
    (rate,) = cells_of("success_rates", stored)
    assert 0 <= rate.values["success_rate"] <= 1
    if successes + failures >= 0:
        (prior,) = cells_of("reputation_priors", stored)
        assert prior.values["alpha"] >= 1
        assert prior.values["beta"] >= 1
        assert prior.values["alpha"] + prior.values["beta"] <= 22


def test_a_plan_that_finds_labels_counts_tenants_and_nothing_else() -> None:
    known = PLANS["capability_labels"]
    with pytest.raises(TypeError, match="adds 1"):
        Plan(
            name="x",
            version=1,
            family="f",
            data_class="d",
            labels_known=False,
            amounts=1,
            largest=2,
            per_tenant=1,
            read=known.read,
        )


# --- bounds


def given_by(contributor: int, cell: str, *amounts: int) -> Contribution:
    return Contribution(contributor=contributor, cell=cell, amounts=list(amounts))


def test_contributions_within_bounds_are_added_up() -> None:
    asked = ask("success_rates")
    rows = [given_by(1, "law", 3, 1), given_by(1, "latin", 20, 0), given_by(2, "law", 0, 20)]
    assert summed(asked, rows) == {"law": [3, 21], "latin": [20, 0]}


@pytest.mark.parametrize(
    "rows",
    [
        [given_by(1, "law", 21, 0)],
        [given_by(1, "law", 20, 1)],
        [given_by(1, "law", -1, 1)],
        [given_by(1, "law", 1)],
        [given_by(1, "law", 1, 1), given_by(1, "law", 1, 1)],
        [given_by(1, "love", 1, 1)],
    ],
)
def test_what_the_database_did_not_bound_goes_no_further(rows: list[Contribution]) -> None:
    with pytest.raises(ContributionOutOfBounds) as refusal:
        summed(ask("success_rates"), rows)
    assert refusal.value.context == {}


def test_a_tenant_in_more_cells_than_allowed_goes_no_further() -> None:
    rows = [given_by(1, f"label {n}", 1) for n in range(5)]
    assert len(summed(ask(), rows[:4])) == 4
    with pytest.raises(ContributionOutOfBounds):
        summed(ask(), rows)


# --- ledgers

NOW = datetime(2026, 11, 21, tzinfo=UTC)


def charged(*questions: Question) -> tuple[list[LedgerRow], list[ReleaseRow]]:
    """A ledger to which these questions were charged, one after the other."""
    spent = delta = 0
    releases = []
    for place, each in enumerate(questions, 1):
        noise = each.noise
        releases.append(
            ReleaseRow(
                id=UUID(int=place),
                tenant_group="g",
                family=each.plan.family,
                epoch="2026-11",
                place=place,
                state="released",
                query=each.query,
                plan=each.plan.name,
                cells=list(each.labels),
                per_tenant=each.per_tenant,
                largest=each.plan.largest,
                k_anonymity=each.k,
                mechanism=each.plan.mechanism,
                library="test",
                scale=noise.scale,
                threshold=noise.threshold,
                epsilon=each.epsilon,
                delta=each.delta,
                unit=noise.unit,
                cost=noise.cost,
                cost_delta=noise.cost_delta,
                spent_before=spent,
                spent_after=spent + noise.cost,
                delta_before=delta,
                delta_after=delta + noise.cost_delta,
                output=[],
                charged_at=NOW,
                released_at=NOW,
            )
        )
        spent, delta = spent + noise.cost, delta + noise.cost_delta
    ledger = LedgerRow(
        tenant_group="g",
        family=questions[0].plan.family,
        epoch="2026-11",
        unit=questions[0].noise.unit,
        spent=spent,
        cap=spent,
        spent_delta=delta,
        cap_delta=delta,
    )
    return [ledger], releases


@given(st.lists(st.tuples(epsilons, deltas, cells), min_size=1, max_size=5), st.booleans())
def test_what_was_charged_adds_up(asked: list[tuple[Decimal, Decimal, int]], known: bool) -> None:
    query = "success_rates" if known else "popular_labels"
    ledgers, releases = charged(
        *[ask(query, epsilon=epsilon, delta=delta, cells_per_tenant=count) for epsilon, delta, count in asked]
    )
    assert rules.adds_up(ledgers, reversed(releases)) == []


def tampered() -> Iterator[tuple[str, dict[str, object], dict[str, object]]]:
    yield "the releases come to", {}, {"spent": 1}
    yield "more was spent", {}, {"cap": 1}
    yield "more was spent", {}, {"cap_delta": 1}
    yield "its noise costs", {"scale": 512}, {}
    yield "its noise costs", {"per_tenant": 2}, {}
    yield "its noise costs", {"cost": 1}, {}
    yield "its threshold costs", {"cost_delta": 0}, {}
    yield "before it the ledger stood", {"spent_before": 1}, {}
    yield "after it the ledger stood", {"delta_after": 1}, {}
    yield "charge 7, where charge 2", {"place": 7}, {}
    yield "charged in rho", {"unit": "rho"}, {}
    yield "charged to no ledger", {"epoch": "2026-10"}, {}


@pytest.mark.parametrize(("finding", "release", "ledger"), list(tampered()))
def test_what_was_tampered_with_does_not_add_up(
    finding: str, release: dict[str, object], ledger: dict[str, object]
) -> None:
    ledgers, releases = charged(ask(), ask(epsilon=Decimal("0.5")))
    changed = [releases[0], releases[1].model_copy(update=release)]
    assert any(finding in said for said in rules.adds_up([ledgers[0].model_copy(update=ledger)], changed))


def test_a_release_that_is_missing_does_not_add_up() -> None:
    ledgers, releases = charged(ask(), ask(epsilon=Decimal("0.5")), ask(epsilon=Decimal("0.25")))
    for gone in range(3):
        assert rules.adds_up(ledgers, releases[:gone] + releases[gone + 1 :])


# --- chance


def test_chance_comes_from_the_library_alone() -> None:
    """No generator that could be seeded or foreseen stands anywhere in the package."""
    refused = {"random", "numpy", "secrets"}
    paths = list(FOLDER.rglob("*.py"))
    assert len(paths) > 8
    for path in paths:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        found = {
            alias.name.partition(".")[0]
            for node in ast.walk(tree)
            if isinstance(node, ast.Import)
            for alias in node.names
        }
        found |= {
            (node.module or "").partition(".")[0]
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom) and not node.level
        }
        assert not found & refused, path.name
        assert "opendp" not in found or path.name == "mechanisms.py"
    assert "random()" not in (FOLDER / "queries.sql").read_text(encoding="utf-8")
