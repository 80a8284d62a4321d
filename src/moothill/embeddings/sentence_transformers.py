"""sentence-transformers, as an extra: models of the hub or of a local folder, run in this process."""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from moothill.kernel.errors import Invalid

from .errors import EmbeddingsUnavailable
from .provider import model_slug, prepare, unit_rows

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["SentenceTransformerEmbeddings"]

DEFAULT_MODEL = "sentence-transformers/all-MiniLM-L6-v2"
DIMENSIONS = {
    "sentence-transformers/all-MiniLM-L6-v2": 384,
    "sentence-transformers/all-mpnet-base-v2": 768,
    "BAAI/bge-small-en-v1.5": 384,
    "BAAI/bge-base-en-v1.5": 768,
    "BAAI/bge-m3": 1024,
}
# Models read at most a few hundred to a few thousand tokens and cut the rest themselves.
MAX_CHARACTERS = 8_000


class SentenceTransformerEmbeddings:
    """A sentence-transformers model. The library and the model load on first use, in a thread, once."""

    name = "sentence-transformers"
    local = True
    max_characters = MAX_CHARACTERS

    def __init__(self, *, model: str = DEFAULT_MODEL, dimensions: int | None = None) -> None:
        """Choose the model; nothing is loaded yet.

        Raises:
            EmbeddingsUnavailable: the library is not installed.
            Invalid: the model's dimensions are not known; give them.
        """
        if importlib.util.find_spec("sentence_transformers") is None:
            raise EmbeddingsUnavailable(
                "sentence-transformers is not installed; install moothill[sentence-transformers].",
                provider=self.name,
            )
        known = dimensions or DIMENSIONS.get(model)
        if known is None:
            raise Invalid(
                f"The dimensions of the model {model} are not known; set MOOTHILL_EMBEDDING_DIMENSIONS.",
                field="embedding_dimensions",
            )
        self.dimensions = known
        self.model = model_slug(model, known)
        self._source = model
        self._lock = threading.Lock()
        self._loaded: Any = None

    async def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Vectors of the texts, in order; see `EmbeddingProvider.embed`.

        Raises:
            Invalid: an item is not text.
            EmbeddingsUnavailable: the library or the model cannot be loaded.
            EmbeddingAnswerRefused: the model's vectors have other dimensions than the settings say.
        """
        return await asyncio.to_thread(self._embed, prepare(texts, MAX_CHARACTERS))

    async def close(self) -> None:
        """Let go of the model."""
        self._loaded = None

    def _embed(self, texts: list[str]) -> NDArray[np.float32]:
        import numpy as np

        rows = np.zeros((len(texts), self.dimensions), dtype=np.float32)
        wanted = [index for index, text in enumerate(texts) if text]
        if wanted:
            # One encode at a time: the tokenisers of these models are not safe under two threads.
            with self._lock:
                answer = self._model().encode([texts[index] for index in wanted], convert_to_numpy=True)
            rows[wanted] = unit_rows(answer, count=len(wanted), dimensions=self.dimensions, name=self.name)
        return rows

    def _model(self) -> Any:
        if self._loaded is None:
            try:
                library = importlib.import_module("sentence_transformers")
                self._loaded = library.SentenceTransformer(self._source)
            except (ImportError, OSError, ValueError, RuntimeError) as error:
                raise EmbeddingsUnavailable(
                    f"The sentence-transformers model {self._source} cannot be loaded "
                    f"({type(error).__name__}); check its name, "
                    f"or give the folder it lies in as MOOTHILL_EMBEDDING_MODEL.",
                    provider=self.name,
                ) from error
        return self._loaded
