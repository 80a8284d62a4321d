"""The seam: what a provider promises, and the checks that make third parties keep it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from moothill.kernel.errors import Invalid

from .errors import EmbeddingAnswerRefused

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

__all__ = ["EmbeddingProvider", "embed", "model_slug", "prepare", "unit_rows"]

# PostgreSQL cuts names at 63 bytes; 32 leaves room for `embedding_`, a tenant's suffix and an index's.
_SLUG_LENGTH = 32
# Below this length a vector is taken for "no vector": its direction would be rounding noise.
_SHORTEST = 1e-12
# halfvec holds magnitudes up to 65504, and float32 squares must not overflow; nothing honest comes near.
_LARGEST = 1e15


@runtime_checkable
class EmbeddingProvider(Protocol):
    """Turns texts into vectors of one model. Third parties register one in the group `moothill.embeddings`.

    The attributes are read, never set: plain attributes, class attributes and properties all do.
    """

    @property
    def name(self) -> str:
        """The provider's name in the settings."""

    @property
    def model(self) -> str:
        """Short slug of model and dimensions, `[a-z0-9_]{1,32}`; it names the model's table."""

    @property
    def dimensions(self) -> int:
        """Length of every vector, 1 to 4000."""

    @property
    def local(self) -> bool:
        """True when it answers without a network, so that vectors can be fresh at commit."""

    @property
    def max_characters(self) -> int:
        """What lies beyond this in a text is cut off before embedding."""

    async def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Vectors of the texts, in order: (n, dimensions); each row has length 1, or is all zeros.

        A row of zeros says that the text has no vector (see the package's docstring).

        Raises:
            Invalid: the provider refuses the input.
            Exhausted: its rate limit was reached.
            Unavailable: it does not answer, or its answer cannot be used.
        """
        ...

    async def close(self) -> None:
        """Let go of connections; calling it twice does no harm."""
        ...


async def embed(provider: EmbeddingProvider, texts: Sequence[str]) -> list[NDArray[np.float32] | None]:
    """One unit vector for each text, or None where a text has none.

    Checks the answer again, so that a third party's provider cannot put a vector of the wrong
    dimensions, or one with NaN, into the database.

    Raises:
        Invalid: an item is not text, or the provider refuses the input.
        Exhausted: the provider's rate limit was reached.
        Unavailable: the provider does not answer, or its answer cannot be used.
    """
    prepared = prepare(texts, provider.max_characters)
    wanted = [index for index, text in enumerate(prepared) if text]
    vectors: list[NDArray[np.float32] | None] = [None] * len(prepared)
    if not wanted:
        return vectors
    answer = await provider.embed([prepared[index] for index in wanted])
    rows = unit_rows(answer, count=len(wanted), dimensions=provider.dimensions, name=provider.name)
    for index, row in zip(wanted, rows, strict=True):
        vectors[index] = row if row.any() else None
    return vectors


def prepare(texts: Sequence[str], limit: int) -> list[str]:
    """The texts as they are embedded: white space collapsed, unpaired surrogates replaced, cut at `limit`.

    Raises:
        Invalid: `texts` is one text instead of a list, or an item is not text.
    """
    if isinstance(texts, str):
        raise Invalid("Give a list of texts to embed, not one text.", field="texts")
    prepared = []
    for index, text in enumerate(texts):
        if not isinstance(text, str):
            raise Invalid(f"Text {index} to embed is {type(text).__name__}, not text.", field="texts", index=index)
        # Cut generously first: splitting a text of gigabytes to keep its first page would be absurd.
        words = " ".join(text[: 4 * limit].replace("\0", " ").split())[:limit].rstrip()
        prepared.append(words.encode("utf-8", "replace").decode("utf-8"))
    return prepared


def unit_rows(answer: ArrayLike, *, count: int, dimensions: int, name: str) -> NDArray[np.float32]:
    """The answer of a model as rows of length 1 (or of zeros), or a refusal.

    Raises:
        EmbeddingAnswerRefused: wrong shape, not numbers, NaN or infinite.
    """
    import numpy as np

    try:
        rows = np.asarray(answer, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        raise EmbeddingAnswerRefused(
            f"The embedding provider {name} answered with something that is not {count} vectors of numbers "
            f"of one length; check its model and dimensions.",
            provider=name,
        ) from None
    if rows.shape != (count, dimensions):
        raise EmbeddingAnswerRefused(
            f"The embedding provider {name} answered with shape {rows.shape}, not ({count}, {dimensions}); "
            f"set MOOTHILL_EMBEDDING_DIMENSIONS to what its model gives.",
            provider=name,
            dimensions=dimensions,
        )
    # The comparison is false for NaN too, so one pass refuses NaN, infinity and the absurd.
    if not bool((np.abs(rows) <= _LARGEST).all()):
        raise EmbeddingAnswerRefused(
            f"The embedding provider {name} answered with NaN, infinite or absurdly large numbers.",
            provider=name,
        )
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    empty = lengths < _SHORTEST
    unit = np.where(empty, 0.0, rows / np.where(empty, 1.0, lengths))
    return np.ascontiguousarray(unit, dtype=np.float32)


def model_slug(model: str, dimensions: int) -> str:
    """The slug of a model: `text-embedding-3-small` at 512 -> `text_embedding_3_small_512`.

    Two models never share a slug: a name that is not plain lower-case words and hyphens, or is too
    long, keeps its readable part and gains a digest of the whole.
    """
    readable = re.sub(r"[^a-z0-9]+", "_", model.rsplit("/", 1)[-1].lower()).strip("_")
    suffix = f"_{dimensions}"
    if re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", model) and len(readable + suffix) <= _SLUG_LENGTH:
        return readable + suffix
    suffix = f"_{hashlib.sha256(model.encode()).hexdigest()[:8]}{suffix}"
    return (readable[: _SLUG_LENGTH - len(suffix)].strip("_") + suffix).lstrip("_")
