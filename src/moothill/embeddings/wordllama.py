"""The default: WordLlama's static word vectors, offline, on the CPU, with the weights that its wheel carries.

256 dimensions. A vector is the mean of its tokens' vectors, so the order of words does not count,
and the vocabulary (32,000 tokens with every byte among them) knows something of any text.
"""

from __future__ import annotations

import asyncio
import importlib
import logging
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from .errors import EmbeddingsUnavailable
from .provider import model_slug, prepare, unit_rows

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["WordLlamaEmbeddings"]

DIMENSIONS = 256
# The mean over more than this says nothing of any part of the text; it also bounds the memory of a batch.
MAX_CHARACTERS = 4_000
# The library pads each batch to its longest text, so a batch is limited by its padded size: small enough
# for the processor's cache (26,000 descriptions a second, against 17,000 at four times the size), and at
# worst (4 tokens a character, as in emoji; 256 floats each; held twice) 32 MiB.
_BATCH_CHARACTERS = 4_096
_BATCH_TEXTS = 256
# Less work than this takes about as long as the hop to a thread and back (some 0.1 ms), so a search's query
# is embedded in place; more would hold up the event loop.
_INLINE_CHARACTERS = 500

_lock = threading.Lock()
_loaded: list[Any] = []


class WordLlamaEmbeddings:
    """Static embeddings without a network. The model loads on first use, in a thread, once per process."""

    name: ClassVar[str] = "wordllama"
    model: ClassVar[str] = model_slug("wordllama", DIMENSIONS)
    dimensions: ClassVar[int] = DIMENSIONS
    local: ClassVar[bool] = True
    max_characters: ClassVar[int] = MAX_CHARACTERS

    async def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Vectors of the texts, in order; see `EmbeddingProvider.embed`.

        Raises:
            Invalid: an item is not text.
            EmbeddingsUnavailable: the library or its weights are missing.
        """
        prepared = prepare(texts, MAX_CHARACTERS)
        if _loaded and sum(map(len, prepared)) <= _INLINE_CHARACTERS:
            return _embed(prepared)
        return await asyncio.to_thread(_embed, prepared)

    async def close(self) -> None:
        """Nothing to let go of: the model is shared by the process."""


def _embed(texts: list[str]) -> NDArray[np.float32]:
    import numpy as np

    model = _model()
    rows = np.zeros((len(texts), DIMENSIONS), dtype=np.float32)
    for batch in _batches(texts):
        rows[batch] = model.embed([texts[index] for index in batch], norm=False, batch_size=len(batch))
    return unit_rows(rows, count=len(texts), dimensions=DIMENSIONS, name=WordLlamaEmbeddings.name)


def _batches(texts: list[str]) -> list[list[int]]:
    """Indices of the texts that have words, similar lengths together: little padding, bounded memory."""
    batches: list[list[int]] = []
    batch: list[int] = []
    for index in sorted((i for i, text in enumerate(texts) if text), key=lambda i: len(texts[i])):
        if batch and (len(batch) == _BATCH_TEXTS or (len(batch) + 1) * len(texts[index]) > _BATCH_CHARACTERS):
            batches.append(batch)
            batch = []
        batch.append(index)
    if batch:
        batches.append(batch)
    return batches


def _model() -> Any:
    with _lock:
        if not _loaded:
            _loaded.append(_load())
        return _loaded[0]


def _load() -> Any:
    """The model from the files in its own package; a download is never tried."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        library: Any = importlib.import_module("wordllama")
        folder = Path(library.__file__).parent
        return library.WordLlama.load(dim=DIMENSIONS, cache_dir=folder, disable_download=True)
    except (ImportError, OSError, ValueError, RuntimeError) as error:
        raise EmbeddingsUnavailable(
            f"WordLlama cannot be loaded ({type(error).__name__}); reinstall the package wordllama, "
            f"or choose another provider with MOOTHILL_EMBEDDING_PROVIDER.",
            provider=WordLlamaEmbeddings.name,
        ) from error
    finally:
        # Importing the library calls logging.basicConfig(level=INFO): a library of ours may not set up
        # its caller's logging behind its back.
        for handler in [handler for handler in root.handlers if handler not in handlers]:
            root.removeHandler(handler)
        root.setLevel(level)
