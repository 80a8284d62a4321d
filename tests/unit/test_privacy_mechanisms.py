"""Noise has the distribution that was paid for, tells no more than it claims, and worse noise is caught."""

import builtins
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from math import exp, sqrt
from typing import Any

import pytest

pytest.importorskip("opendp", reason="needs the extra `privacy`")

from moothill.tenancy.privacy import mechanisms, rules
from moothill.tenancy.privacy.errors import MechanismDisagrees, PrivacyExtraMissing
from moothill.tenancy.privacy.plans import Question, question
from tests.noise_statistics import chi_square, discrete_gaussian, discrete_laplace, least_epsilon, least_mu, passes

DRAWS = 10_000
EPSILON = 1.0


def ask(query: str = "popular_labels", **changed: Any) -> Question:
    given = {
        "query": query,
        "epsilon": Decimal(1),
        "delta": Decimal("0.001"),
        "k_anonymity": 5,
        "labels": ["law"] if query != "popular_labels" else None,
        "cells_per_tenant": 1,
        "noise_magnitude": Decimal(0),
        **changed,
    }
    return question(**given)


def noise_of(mechanism: str, scale: str) -> rules.Noise:
    units = int(Decimal(scale) * rules.UNITS)
    assert mechanism in ("laplace", "gaussian")
    cost = Fraction(rules.UNITS, units) if mechanism == "laplace" else Fraction(rules.UNITS**2, 2 * units**2)
    return rules.Noise(
        mechanism="laplace" if mechanism == "laplace" else "gaussian",
        scale=units,
        reach=1,
        cost=int(cost * rules.NANO) + 1,
        cost_delta=0,
        threshold=0,
    )


@pytest.mark.parametrize("scale", ["0.75", "4"])
@pytest.mark.parametrize(("mechanism", "formula"), [("laplace", discrete_laplace), ("gaussian", discrete_gaussian)])
def test_noise_has_its_distribution(mechanism: str, formula: Callable[[float], dict[int, float]], scale: str) -> None:
    noise = noise_of(mechanism, scale)
    assert passes(lambda: chi_square(mechanisms.add_noise(noise, [0] * DRAWS), formula(float(scale))))
    # And not that of noise that is a little smaller.
    wrong = formula(float(scale) * 0.9)
    assert not passes(lambda: chi_square(mechanisms.add_noise(noise, [0] * DRAWS), wrong))


def test_noise_moves_with_what_it_is_added_to() -> None:
    noise = noise_of("laplace", "2")
    drawn = mechanisms.add_noise(noise, [1_000_000] * DRAWS)
    assert passes(lambda: chi_square([each - 1_000_000 for each in drawn], discrete_laplace(2)))
    assert mechanisms.add_noise(noise, []) == []


def counted(asked: Question, tenants: int) -> list[int | None]:
    """What many releases tell of a label that so many tenants have; None where it was suppressed."""
    labels = {f"{n:05}": [tenants] for n in range(DRAWS)}
    shown = {each.cell: each.sums[0] for each in mechanisms.draw(asked, labels)}
    return [shown.get(label) for label in labels]


def seen(told: Sequence[int | None], least: int) -> list[bool]:
    return [each is not None and each >= least for each in told]


def test_counts_tell_no_more_than_epsilon_and_half_the_noise_is_caught() -> None:
    asked = ask()
    tenants = asked.noise.threshold + 20
    without, within = counted(asked, tenants), counted(asked, tenants + 1)
    told = least_epsilon(seen(without, tenants + 1), seen(within, tenants + 1))
    # The event is the worst there is: a good mechanism comes close to its claim, and stays below.
    assert 0.8 < told <= EPSILON
    half = replace(asked, noise=replace(asked.noise, scale=asked.noise.scale // 2))
    without, within = counted(half, tenants), counted(half, tenants + 1)
    assert least_epsilon(seen(without, tenants + 1), seen(within, tenants + 1)) > EPSILON


def test_a_label_that_one_tenant_lifts_to_k_hardly_shows_and_a_lower_threshold_is_caught() -> None:
    """The hard floor alone would tell: `k` tenants and a threshold made for one show often, and fewer never."""
    asked = ask()
    below, at = counted(asked, asked.k - 1), counted(asked, asked.k)
    assert not any(seen(below, 0))
    # An event that is impossible without the tenant bounds delta, whatever epsilon.
    assert least_epsilon(seen(below, 0), seen(at, 0), delta=float(asked.delta)) <= EPSILON
    textbook = rules.laplace_noise(
        per_tenant=1, epsilon=asked.epsilon, delta=asked.delta, k=1, floor=Decimal(0)
    ).threshold
    careless = replace(asked, noise=replace(asked.noise, threshold=textbook))
    below, at = counted(careless, asked.k - 1), counted(careless, asked.k)
    assert least_epsilon(seen(below, 0), seen(at, 0), delta=float(asked.delta)) > EPSILON


def test_small_groups_never_show_and_large_ones_do() -> None:
    asked = ask()
    needed = asked.estimate(1, 1).tenants_needed
    told = [sum(seen(counted(asked, tenants), 0)) for tenants in (1, 4, needed)]
    assert told[:2] == [0, 0]
    assert told[2] > 0.95 * DRAWS


def summed(asked: Question, amounts: Sequence[int]) -> list[int]:
    """What many releases tell of the first sum of a label."""
    return mechanisms.add_noise(asked.noise, [amounts[0]] * DRAWS)


def test_sums_tell_no_more_than_rho_and_half_the_noise_is_caught() -> None:
    asked = ask("success_rates", epsilon=Decimal(20))
    claimed = sqrt(2 * asked.noise.cost / rules.NANO)
    event = [0, asked.plan.largest]
    middle = sum(event) / 2

    def told(noise: rules.Noise) -> float:
        drawn = [summed(replace(asked, noise=noise), [true]) for true in event]
        return least_mu([each > middle for each in drawn[0]], [each > middle for each in drawn[1]])

    assert 0.9 * claimed < told(asked.noise) <= claimed
    assert told(replace(asked.noise, scale=asked.noise.scale // 2)) > claimed


def test_labels_that_nobody_has_are_noised_like_the_others() -> None:
    asked = ask("success_rates", labels=[f"{n}" for n in range(32)], cells_per_tenant=1)
    shown = replace(asked, noise=replace(asked.noise, threshold=-(10**9)))
    assert len(mechanisms.draw(shown, {})) == 32
    assert len({tuple(each.sums) for each in mechanisms.draw(shown, {})}) > 20
    assert mechanisms.draw(asked, {}) == []


def test_sums_of_too_few_tenants_hardly_show() -> None:
    asked = ask("success_rates", labels=[f"{n}" for n in range(32)], cells_per_tenant=1, k_anonymity=10)
    most = [(asked.k - 1) * asked.plan.largest, 0]
    shown = sum(len(mechanisms.draw(asked, dict.fromkeys(asked.labels, most))) for _ in range(100))
    assert shown <= 20  # 3.2 of 3,200 are expected
    needed = asked.estimate(1, 1).tenants_needed * asked.plan.largest
    assert (
        sum(len(mechanisms.draw(asked, {label: [needed, 0] for label in asked.labels})) for _ in range(10)) > 0.95 * 320
    )


def test_what_comes_out_is_in_an_order_of_its_own() -> None:
    asked = ask(epsilon=Decimal(20))
    sums = {"b": [900], "a": [900], "c": [1900]}
    assert next(each.cell for each in mechanisms.draw(asked, sums)) == "c"
    turned = replace(asked, noise=noise_of("laplace", "0.01"))
    told = [mechanisms.draw(turned, dict(order)) for order in (sums.items(), reversed(sums.items()))]
    assert told[0] == told[1]


def test_the_library_must_not_think_more_of_a_loss_than_we_do() -> None:
    for asked in (ask(), ask("success_rates"), ask(cells_per_tenant=7), ask("success_rates", epsilon=Decimal("0.01"))):
        mechanisms.check(asked.noise)
        cheap = replace(asked.noise, cost=int(asked.noise.cost * 0.999))
        with pytest.raises(MechanismDisagrees, match="nothing was spent"):
            mechanisms.check(cheap)


def test_without_the_library_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name.startswith("opendp"):
            raise ImportError(name)
        return real(name, *rest)

    for name in [name for name in sys.modules if name.startswith("opendp")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(PrivacyExtraMissing, match=r"moothill\[privacy\]"):
        mechanisms.library()


def test_the_textbook_bound_of_the_worst_event() -> None:
    """For the record: the noisy count that shows one tenant best tells e to the epsilon."""
    laplace = discrete_laplace(1)
    above = sum(p for x, p in laplace.items() if x >= 0)
    assert above / (above - laplace[0]) == pytest.approx(exp(1))
