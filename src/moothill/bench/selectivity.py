"""Vector search under filters: recall against the exact answer, and latency, for each kind of filter and share."""

import time
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from ..registry.search import SearchFilters, SearchKind
from .report import Row, percentile
from .shelves import NEAREST, RECALL, Facets, Shelf
from .telling import counted

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["cells", "run"]


@dataclass(frozen=True, slots=True)
class Cell:
    """One filter.

    Attributes:
        name: for the table: what is filtered, and the share of items that pass.
    """

    name: str
    kinds: list[SearchKind] | None = None
    tag: str | None = None
    confidence: Decimal | None = None

    @property
    def filters(self) -> SearchFilters | None:
        """As a caller gives it."""
        if self.tag is None and self.confidence is None:
            return None
        return SearchFilters(tags=None if self.tag is None else [self.tag], minimum_confidence=self.confidence)

    def mask(self, facets: Facets) -> "NDArray[Any]":
        """Which items pass."""
        import numpy as np

        count = len(facets.kinds)
        passed = np.ones(count, dtype=bool)
        if self.kinds is not None:
            passed &= np.fromiter((kind in self.kinds for kind in facets.kinds), dtype=bool, count=count)
        if self.tag is not None:
            passed &= np.fromiter((self.tag in tags for tags in facets.tags), dtype=bool, count=count)
        if self.confidence is not None:
            passed &= np.fromiter((each >= self.confidence for each in facets.confidences), dtype=bool, count=count)
        return passed


def cells() -> list[Cell]:
    """Each kind of filter at 100, 10, 1 and 0.1 %, and a tenth that lies where queries are not."""
    every: list[SearchKind] = ["capability", "task", "verdict", "idea"]
    return [
        Cell("tag, 100 %", tag="all"),
        Cell("tag, 10 %", tag="tenth"),
        Cell("tag, 1 %", tag="hundredth"),
        Cell("tag, 0.1 %", tag="thousandth"),
        Cell("kind, 100 %", kinds=every),
        Cell("kind, 10 %", kinds=["task"]),
        Cell("kind, 1 %", kinds=["verdict"]),
        Cell("kind, 0.1 %", kinds=["idea"]),
        Cell("confidence, 100 %", confidence=Decimal(0)),
        Cell("confidence, 10 %", confidence=Decimal("0.9")),
        Cell("confidence, 1 %", confidence=Decimal("0.99")),
        Cell("confidence, 0.1 %", confidence=Decimal("0.999")),
        Cell("tag of distant items, 10 %", tag="apart"),
    ]


async def run(shelf: Shelf, name: str) -> list[Row]:
    """Measure every cell on one tenant that was loaded with facets."""
    import numpy as np

    assert shelf.facets is not None
    rows: list[Row] = []
    for cell in counted(cells(), f"{name}: searching under filters"):
        passed = cell.mask(shelf.facets)
        if not passed.any():
            continue
        seconds: list[float] = []
        right = wanted = exact = 0
        for number, query in enumerate(shelf.cloud.queries):
            given = query.tolist()
            began = time.perf_counter()
            found = await shelf.moot.search.find(vector=given, kinds=cell.kinds, filters=cell.filters, limit=NEAREST)
            seconds.append(time.perf_counter() - began)
            likeness = np.where(passed, shelf.cloud.likeness[number], -2)
            count = min(NEAREST, int(passed.sum()))
            reach = np.partition(likeness, -count)[-count]
            places = [shelf.ids[hit.id] for hit in found.hits]
            right += sum(bool(likeness[place] >= reach - 1e-5) for place in places)
            wanted += count
            exact += found.exact
        case = f"{name}, {cell.name}"
        rows += [
            Row(case, "recall@10", right / wanted, "", RECALL, "at least"),
            Row(case, "p50", percentile(seconds, 0.50) * 1000, "ms"),
            Row(case, "p95", percentile(seconds, 0.95) * 1000, "ms"),
            Row(case, "answered exactly", exact / len(seconds), "of searches"),
        ]
    return rows
