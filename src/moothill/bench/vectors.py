"""Synthetic vectors for benchmarks, and the exact answers to queries over them.

A mixture of Gaussians on the sphere: real embeddings lie in clusters of uneven size, and spread in few
directions more than in many. So clusters are drawn with uneven weights, and the spread within them falls
with the square root of the direction's number. Queries come from the same mixture and are no stored point.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Cloud", "cloud"]

_PER_CLUSTER = 100
_SPREAD = 1.0


@dataclass(frozen=True, slots=True)
class Cloud:
    """Points and queries of one tenant, with the exact nearest points of each query.

    Attributes:
        points: unit vectors, rounded to the half precision in which they are stored.
        queries: unit vectors.
        reach: for each query, its similarity to the last of the nearest points.
        likeness: similarity of each query to each point.
    """

    points: "NDArray[Any]"
    queries: "NDArray[Any]"
    reach: "NDArray[Any]"
    likeness: "NDArray[Any]"

    def hits(self, query: int, found: list[int]) -> int:
        """How many of the points found belong to the nearest (ties with the last of them count)."""
        return int(sum(self.likeness[query, point] >= self.reach[query] - 1e-5 for point in found))


def cloud(
    count: int, queries: int, *, dimensions: int, seed: int, nearest: int = 10, topics: int | None = None
) -> Cloud:
    """Points and queries of a tenant, the same for the same seed.

    Args:
        count: points.
        queries: queries.
        dimensions: of both.
        seed: of what is drawn.
        nearest: how many points answer a query.
        topics: seed of the clusters; tenants that share it have the same ones, as people who speak of the same things.
    """
    import numpy as np

    generator = np.random.default_rng(seed)
    clusters = max(4, count // _PER_CLUSTER)
    of_topics = generator if topics is None else np.random.default_rng(topics)
    centres = of_topics.standard_normal((clusters, dimensions)).astype(np.float32)
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    weights = generator.dirichlet(np.ones(clusters))
    spread = 1 / np.sqrt(np.arange(1, dimensions + 1))
    spread = (_SPREAD * spread / np.linalg.norm(spread)).astype(np.float32)

    def draw(number: int) -> "NDArray[Any]":
        chosen = generator.choice(clusters, number, p=weights)
        noise = generator.standard_normal((number, dimensions), dtype=np.float32)
        drawn = centres[chosen] + noise * spread
        drawn /= np.linalg.norm(drawn, axis=1, keepdims=True)
        rounded: NDArray[Any] = drawn.astype(np.float16).astype(np.float32)
        return rounded

    points, asked = draw(count), draw(queries)
    likeness = asked @ points.T
    reach = np.partition(likeness, -nearest, axis=1)[:, -nearest]
    return Cloud(points, asked, reach, likeness)
