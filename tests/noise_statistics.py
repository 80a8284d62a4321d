"""Statistics of noise: does it have its distribution, and how much does it tell at least?

An audit gets what a mechanism gives for two neighbouring databases, and an event by which somebody would
tell them apart. Clopper and Pearson bound the probabilities of the event on either side; what these bounds
still allow is a lower bound on the privacy loss. It never exceeds what is claimed, but once in a thousand; a
mechanism that tells more than it claims is caught when the bound does exceed it.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from math import exp, inf, lgamma, log, log1p
from statistics import NormalDist

__all__ = ["chi_square", "discrete_gaussian", "discrete_laplace", "least_epsilon", "least_mu", "passes"]

ALPHA = 0.001
TRIES = 3


def passes(p_value: Callable[[], float]) -> bool:
    """Whether a test that is drawn anew each time is passed, at a fixed level and within a fixed number of tries."""
    return any(p_value() > ALPHA for _ in range(TRIES))


def discrete_laplace(scale: float) -> dict[int, float]:
    """The probabilities of discrete Laplace noise, as far as they count."""
    q = exp(-1 / scale)
    return {x: (1 - q) / (1 + q) * q ** abs(x) for x in range(-int(40 * scale), int(40 * scale) + 1)}


def discrete_gaussian(scale: float) -> dict[int, float]:
    """The probabilities of discrete Gaussian noise, as far as they count."""
    weights = {x: exp(-x * x / (2 * scale * scale)) for x in range(-int(12 * scale), int(12 * scale) + 1)}
    whole = sum(weights.values())
    return {x: weight / whole for x, weight in weights.items()}


def chi_square(drawn: Sequence[int], expected: Mapping[int, float]) -> float:
    """How likely draws so far from a distribution are, if they come from it. Rare values are taken together."""
    seen = Counter(drawn)
    statistic, bins = 0.0, 0
    rare_seen, rare_expected = len(drawn), float(len(drawn))
    for value, probability in expected.items():
        wanted = probability * len(drawn)
        if wanted < 20:
            continue
        statistic += (seen[value] - wanted) ** 2 / wanted
        bins += 1
        rare_seen -= seen[value]
        rare_expected -= wanted
    if rare_expected >= 5:
        statistic += (rare_seen - rare_expected) ** 2 / rare_expected
        bins += 1
    return _upper_gamma((bins - 1) / 2, statistic / 2)


def least_epsilon(without: Iterable[bool], within: Iterable[bool], *, delta: float = 0.0) -> float:
    """The least epsilon that two samples of an event allow: without and with one tenant, either way round."""
    absent, present = list(without), list(within)
    return max(_least(absent, present, delta), _least(present, absent, delta))


def least_mu(without: Sequence[bool], within: Sequence[bool]) -> float:
    """The least distance, in standard deviations, of two normal distributions that differ so much by an event.

    Noise of rho-zCDP keeps it to sqrt(2 rho), which is exact for Gaussian noise.
    """
    normal = NormalDist()
    low, high = _low(sum(within), len(within)), _high(sum(without), len(without))
    if low <= 0 or high >= 1:
        return -inf
    return normal.inv_cdf(low) - normal.inv_cdf(high)


def _least(rare: Sequence[bool], common: Sequence[bool], delta: float) -> float:
    low, high = _low(sum(common), len(common)) - delta, _high(sum(rare), len(rare))
    return log(low / high) if low > 0 else -inf


def _low(hits: int, of: int) -> float:
    """Clopper and Pearson: below it the hits would be too many to believe."""
    return 0.0 if hits == 0 else _solve(lambda p: _at_least(hits, of, p) - ALPHA / 2)


def _high(hits: int, of: int) -> float:
    """Clopper and Pearson: above it the hits would be too few to believe."""
    return 1.0 if hits == of else _solve(lambda p: _at_least(hits + 1, of, p) - (1 - ALPHA / 2))


def _solve(rising: Callable[[float], float]) -> float:
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (low, middle) if rising(middle) > 0 else (middle, high)
    return (low + high) / 2


def _at_least(hits: int, of: int, p: float) -> float:
    """Probability of at least so many hits: the regularised incomplete beta function I_p(hits, of - hits + 1)."""
    a, b = float(hits), float(of - hits + 1)
    if p <= 0:
        return 0.0
    if p >= 1:
        return 1.0
    if p > (a + 1) / (a + b + 2):
        return 1 - _beta(b, a, 1 - p)
    return _beta(a, b, p)


def _beta(a: float, b: float, x: float) -> float:
    front = exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log1p(-x)) / a
    # Lentz's continued fraction.
    tiny = 1e-300
    f, c, d = 1.0, 1.0, 0.0
    for step in range(2000):
        m = step // 2
        if step == 0:
            term = 1.0
        elif step % 2 == 0:
            term = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        else:
            term = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        d = 1 + term * d
        d = 1 / (d if abs(d) > tiny else tiny)
        c = 1 + term / (c if abs(c) > tiny else tiny)
        f *= c * d
        if abs(1 - c * d) < 1e-12:
            break
    return front * (f - 1)


def _upper_gamma(a: float, x: float) -> float:
    """The regularised upper incomplete gamma function, by its series or its continued fraction."""
    front = exp(-x + a * log(x) - lgamma(a)) if x > 0 else 0.0
    if x < a + 1:
        term = total = 1 / a
        n = a
        while abs(term) > abs(total) * 1e-14:
            n += 1
            term *= x / n
            total += term
        return 1 - front * total
    tiny = 1e-300
    b = x + 1 - a
    c, d = 1 / tiny, 1 / b
    h = d
    for step in range(1, 1000):
        factor = -step * (step - a)
        b += 2
        d = factor * d + b
        d = 1 / (d if abs(d) > tiny else tiny)
        c = b + factor / (c if abs(c) > tiny else tiny)
        h *= c * d
        if abs(c * d - 1) < 1e-14:
            break
    return front * h
