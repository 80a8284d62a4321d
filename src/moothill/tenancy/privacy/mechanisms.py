"""Where chance comes in: OpenDP draws the noise, exactly and from the system's secure source.

Only whole numbers are noised, and only with discrete distributions: the floating-point versions tell
neighbouring inputs apart by which outputs they can produce. Loading the library takes a second and 275 MB, so it
is loaded by whoever draws first.

The library's own thresholded mechanisms are not used: up to 0.16 they release a count that equals the threshold,
and leave that case out of the delta they report (opendp/opendp#2922). The threshold is ours, in `rules`.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from importlib.metadata import version
from math import inf, nextafter, sqrt
from typing import Any

from .errors import MechanismDisagrees, PrivacyExtraMissing
from .models import StoredCell
from .plans import Question
from .rules import NANO, UNITS, Noise

__all__ = ["add_noise", "check", "draw", "library"]

# The library rounds its bounds up in floating point; ours are exact.
_SLACK = 1 + 1e-9


def library() -> str:
    """What draws the noise, with its version.

    Raises:
        PrivacyExtraMissing: it is not installed.
    """
    _opendp()
    return f"opendp {version('opendp')}"


def check(noise: Noise) -> None:
    """Ask the library what it thinks this noise costs, before anything is paid for.

    Raises:
        PrivacyExtraMissing: it is not installed.
        MechanismDisagrees: it thinks more of it than we do.
    """
    measurement = _measurement(noise.mechanism, noise.scale)
    if noise.mechanism == "laplace":
        loss = measurement.map(noise.reach)
    else:
        loss = measurement.map(nextafter(sqrt(noise.reach), inf))
    if loss * NANO > noise.cost * _SLACK:
        raise MechanismDisagrees(
            f"The library reckons this noise at {loss}, and we at {noise.cost} billionths; nothing was spent."
        )


def add_noise(noise: Noise, amounts: Sequence[int]) -> list[int]:
    """Whole numbers with noise added to each.

    Raises:
        PrivacyExtraMissing: the library is not installed.
    """
    if not amounts:
        return []
    return [int(each) for each in _measurement(noise.mechanism, noise.scale)(list(amounts))]


def draw(question: Question, sums: Mapping[str, Sequence[int]]) -> list[StoredCell]:
    """The noisy sums of a release: the cells that may be shown, the largest first.

    Args:
        question: what was asked.
        sums: true sums by cell, of contributions whose bounds hold.
    """
    if question.plan.labels_known:
        # Cells that nobody has are noised like the others, so that nothing shows which those are.
        true = {label: sums.get(label, [0] * question.plan.amounts) for label in question.labels}
    else:
        # Each tenant adds 1, so the sum is how many they are. The threshold was raised by this floor.
        true = {cell: sums[cell] for cell in sorted(sums) if sum(sums[cell]) >= question.k}
    noisy = iter(add_noise(question.noise, [each for cell in true.values() for each in cell]))
    drawn = [StoredCell(cell=cell, sums=[next(noisy) for _ in amounts]) for cell, amounts in true.items()]
    shown = [each for each in drawn if sum(each.sums) >= question.noise.threshold]
    return sorted(shown, key=lambda each: (-sum(each.sums), each.cell))


@lru_cache(maxsize=64)
def _measurement(mechanism: str, scale: int) -> Any:
    dp = _opendp()
    domain = dp.vector_domain(dp.atom_domain(T="i64"))
    if mechanism == "laplace":
        return dp.m.make_laplace(domain, dp.l1_distance(T="i64"), scale=scale / UNITS)
    return dp.m.make_gaussian(domain, dp.l2_distance(T="f64"), scale=scale / UNITS)


def _opendp() -> Any:
    try:
        import opendp.prelude as dp
    except ImportError:
        raise PrivacyExtraMissing() from None
    # Without this word its constructors refuse; those used here carry proofs, and what they promise is tested.
    dp.enable_features("contrib")
    return dp
