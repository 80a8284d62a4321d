"""The arithmetic of privacy: what noise costs, how much is needed, and whether a ledger adds up.

Losses are whole numbers: epsilon and rho in billionths, delta in million millionths. What is spent is
rounded up, what may be spent is rounded down. Scales of noise are whole numbers of 1/1024, which a
binary fraction holds exactly, so that what is drawn is what was paid for.

Composition: releases with Laplace noise are epsilon-DP, those with Gaussian noise rho-zCDP. All of an
epoch together are (sum of epsilon, sum of rho)-zCDP (Bun and Steinke 2016), hence
(epsilon + rho + 2 sqrt(rho ln(1/delta)), delta)-DP, and each threshold adds its delta.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal, localcontext
from fractions import Fraction
from math import isqrt
from typing import Literal

from .models import LedgerRow, ReleaseRow, Unit

__all__ = [
    "NANO",
    "PICO",
    "UNITS",
    "Noise",
    "adds_up",
    "affords",
    "epsilon_of",
    "gaussian_noise",
    "laplace_noise",
    "nano",
    "padding",
    "pico",
    "rho_of",
]

Mechanism = Literal["laplace", "gaussian"]
NANO = 10**9
PICO = 10**12
UNITS = 1024
RESPONSE_STEP = 0.1
"""Answers come at multiples of this many seconds, so that their time tells little."""

# Digits of the calculations, and a margin far above their error and far below a billionth.
_DIGITS = 60
_MARGIN = Decimal("1e-30")
# One in a thousand, one-sided; and 95 of a hundred, two-sided.
_SURE = Decimal("3.0903")
_USUAL = Decimal("1.96")


@dataclass(frozen=True, slots=True, kw_only=True)
class Noise:
    """The noise of one release.

    Attributes:
        mechanism: laplace or gaussian, both discrete.
        scale: in 1/1024; of a Gaussian, its standard deviation.
        reach: the most that one tenant can change: the L1 distance for Laplace, the square of the L2 distance
            for Gaussian.
        cost: epsilon (Laplace) or rho (Gaussian), in billionths, rounded up.
        cost_delta: in million millionths, rounded up.
        threshold: a cell whose noisy amounts add up to less is left out.
    """

    mechanism: Mechanism
    scale: int
    reach: int
    cost: int
    cost_delta: int
    threshold: int

    @property
    def unit(self) -> Unit:
        """What the cost counts."""
        return "epsilon" if self.mechanism == "laplace" else "rho"

    @property
    def ratio(self) -> Decimal:
        """The scale in parts of the most that one tenant can change, rounded down to four places."""
        with localcontext() as exact:
            exact.prec = _DIGITS
            reach = Decimal(self.reach) if self.mechanism == "laplace" else Decimal(self.reach).sqrt()
            return (Decimal(self.scale) / UNITS / reach).quantize(Decimal("0.0001"), ROUND_FLOOR)

    @property
    def deviation(self) -> Decimal:
        """Standard deviation of one noisy number."""
        with localcontext() as exact:
            exact.prec = _DIGITS
            scale = Decimal(self.scale) / UNITS
            if self.mechanism == "laplace":
                ratio = (-1 / scale).exp()
                scale = (2 * ratio).sqrt() / (1 - ratio)
            return scale.quantize(Decimal("0.01"), ROUND_CEILING)

    @property
    def error(self) -> int:
        """Half the width of the interval that holds one noisy number 95 times in 100."""
        return error_of(self.mechanism, self.scale)


def error_of(mechanism: Mechanism, scale: int) -> int:
    """Half the width of the interval that holds one noisy number 95 times in 100; the scale is in 1/1024."""
    with localcontext() as exact:
        exact.prec = _DIGITS
        width = Decimal(scale) / UNITS
        if mechanism == "gaussian":
            return _up(_USUAL * width)
        # 2 q^(h+1) / (1 + q) <= 0.05 for the smallest h.
        ratio = (-1 / width).exp()
        return max(0, _up(width * (40 / (1 + ratio)).ln()) - 1)


def nano(value: Decimal) -> int:
    """A cap in billionths, rounded down."""
    return _down(value * NANO)


def pico(value: Decimal) -> int:
    """A delta that is spent, in million millionths, rounded up."""
    return _up(value * PICO)


def rho_of(epsilon: Decimal, delta: Decimal) -> int:
    """The rho, in billionths and rounded down, whose releases are (epsilon, delta)-DP.

    It solves rho + 2 sqrt(rho ln(1/delta)) = epsilon.
    """
    with localcontext() as exact:
        exact.prec = _DIGITS
        log = -delta.ln()
        root = (log + epsilon).sqrt() - log.sqrt()
        return _down(root * root * NANO - _MARGIN)


def epsilon_of(nano_rho: int, delta: Decimal) -> int:
    """The epsilon, in billionths and rounded up, that a rho comes to at a delta."""
    if nano_rho == 0:
        return 0
    with localcontext() as exact:
        exact.prec = _DIGITS
        rho = Decimal(nano_rho) / NANO
        return _up((rho + 2 * (rho * -delta.ln()).sqrt()) * NANO + _MARGIN)


def affords(nano_epsilon: int, nano_rho: int, pico_delta: int, *, epsilon: Decimal, delta: Decimal) -> bool:
    """Whether losses of both kinds together stay within an epsilon and a delta.

    The function `privacy_affords` in the database says the same; where rho is lost, half of delta is
    kept to turn it into epsilon.
    """
    if nano_rho == 0:
        return nano_epsilon <= nano(epsilon) and pico_delta <= _down(delta * PICO)
    if delta == 0:
        return False
    whole = nano_epsilon + epsilon_of(nano_rho, delta / 2)
    return whole < nano(epsilon) and pico_delta <= _down(delta * PICO / 2)


def laplace_noise(*, per_tenant: int, epsilon: Decimal, delta: Decimal, k: int, floor: Decimal) -> Noise:
    """Discrete Laplace noise and a threshold, for counts whose cells are not known in advance.

    A tenant adds 1 to each of at most `per_tenant` cells, so the L1 distance is `per_tenant`. Cells with fewer
    than `k` tenants are dropped before the noise. That floor is itself a step that depends on the data: were the
    threshold that of a floor of 1, a cell of exactly `k` would show far more often than delta allows. So the
    threshold rises with the floor: a cell that one tenant lifts to `k` shows with a probability of at most
    delta / per_tenant, and from there on the noise protects.

    Args:
        per_tenant: most cells of a tenant.
        epsilon: asked for; the cost never exceeds it.
        delta: the probability that any cell shows that one tenant alone lifted to `k`.
        k: smallest group that is counted.
        floor: least scale of the noise, in parts of `per_tenant`.
    """
    with localcontext() as exact:
        exact.prec = _DIGITS
        scale = max(_up(per_tenant * UNITS / epsilon), _up(floor * per_tenant * UNITS), 1)
        ratio = (-Decimal(UNITS) / scale).exp()
        # P(noise >= t) = q^t / (1 + q); the smallest t for which per_tenant times that is within delta.
        reach = _up(scale * (per_tenant / (delta * (1 + ratio))).ln() / UNITS + _MARGIN)
    return Noise(
        mechanism="laplace",
        scale=scale,
        reach=per_tenant,
        cost=_ceil(Fraction(per_tenant * UNITS * NANO, scale)),
        cost_delta=pico(delta),
        threshold=k + max(reach, 1),
    )


def gaussian_noise(
    *, per_tenant: int, largest: int, amounts: int, epsilon: Decimal, delta: Decimal, k: int, floor: Decimal
) -> Noise:
    """Discrete Gaussian noise, for sums over cells that are known in advance.

    The amounts of a tenant in one cell are not negative and add up to at most `largest`, so their L2 norm is at
    most `largest`, and over `per_tenant` cells `largest` sqrt(`per_tenant`). The threshold is taken of what was
    noised already: fewer than `k` tenants cannot bring more than `(k - 1) * largest`, and noise lifts that over
    the threshold once in a thousand.
    """
    reach = per_tenant * largest * largest
    with localcontext() as exact:
        exact.prec = _DIGITS
        rho = rho_of(epsilon, delta)
        # scale^2 = reach / (2 rho), in parts of 1024^2.
        wanted = Fraction(reach * UNITS * UNITS * NANO, 2 * rho)
        scale = isqrt(_ceil(wanted) - 1) + 1
        scale = max(scale, _up(floor * Decimal(reach).sqrt() * UNITS), 1)
        margin = _up(_SURE * Decimal(amounts).sqrt() * scale / UNITS)
    return Noise(
        mechanism="gaussian",
        scale=scale,
        reach=reach,
        cost=_ceil(Fraction(reach * UNITS * UNITS * NANO, 2 * scale * scale)),
        cost_delta=0,
        threshold=(k - 1) * largest + margin,
    )


def padding(elapsed: float) -> float:
    """Seconds to wait, so that an answer comes at a multiple of `RESPONSE_STEP`."""
    return RESPONSE_STEP - elapsed % RESPONSE_STEP


def adds_up(ledgers: Sequence[LedgerRow], releases: Iterable[ReleaseRow]) -> list[str]:
    """What is wrong with ledgers, going by the releases alone; empty when they add up.

    Costs are calculated again from what each release says of its noise, then added in the order of the
    charges, and compared with what the ledger said before and after each and says now.
    """
    found: list[str] = []
    by_ledger: dict[tuple[str, str], list[ReleaseRow]] = {(each.family, each.epoch): [] for each in ledgers}
    for release in releases:
        if (release.family, release.epoch) not in by_ledger:
            found.append(f"release {release.id} was charged to no ledger")
            continue
        by_ledger[release.family, release.epoch].append(release)
    for ledger in ledgers:
        name = f"{ledger.family} of {ledger.epoch}"
        spent = delta = 0
        charged = sorted(by_ledger[ledger.family, ledger.epoch], key=lambda each: each.place)
        for place, each in enumerate(charged, 1):
            found += [f"release {each.id}: {what}" for what in _faults(each, ledger, place, spent, delta)]
            spent, delta = spent + each.cost, delta + each.cost_delta
        if (spent, delta) != (ledger.spent, ledger.spent_delta):
            found.append(f"{name}: the releases come to {spent}, the ledger says {ledger.spent}")
        if ledger.spent > ledger.cap or ledger.spent_delta > ledger.cap_delta:
            found.append(f"{name}: more was spent than the cap of {ledger.cap}")
    return found


def _faults(release: ReleaseRow, ledger: LedgerRow, place: int, spent: int, delta: int) -> Iterable[str]:
    if release.place != place:
        yield f"it is charge {release.place}, where charge {place} was expected"
    if release.unit != ledger.unit:
        yield f"it was charged in {release.unit}, and the ledger counts {ledger.unit}"
    if release.unit == "epsilon":
        due = _ceil(Fraction(release.per_tenant * release.largest * UNITS * NANO, release.scale))
    else:
        reach = release.per_tenant * release.largest * release.largest
        due = _ceil(Fraction(reach * UNITS * UNITS * NANO, 2 * release.scale * release.scale))
    if release.cost != due:
        yield f"its noise costs {due}, and {release.cost} was charged"
    if release.unit == "epsilon" and release.cost_delta != pico(release.delta):
        yield f"its threshold costs {pico(release.delta)}, and {release.cost_delta} was charged"
    if (release.spent_before, release.delta_before) != (spent, delta):
        yield f"before it the ledger stood at {release.spent_before}, and the charges before it come to {spent}"
    if (release.spent_after, release.delta_after) != (spent + release.cost, delta + release.cost_delta):
        yield f"after it the ledger stood at {release.spent_after}, and the charges come to {spent + release.cost}"


def _up(value: Decimal) -> int:
    return int(value.to_integral_value(ROUND_CEILING))


def _down(value: Decimal) -> int:
    return int(value.to_integral_value(ROUND_FLOOR))


def _ceil(value: Fraction) -> int:
    return -((-value.numerator) // value.denominator)
