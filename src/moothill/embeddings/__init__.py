"""Embeddings: texts become unit vectors, through whichever provider the settings name.

    provider = provider_from(settings)
    vectors = await embed(provider, ["send a message to a Slack channel", ""])   # [array(256), None]

What every provider's callers may rely on, whatever its model:

* A text is trimmed, its runs of white space become one space, and what lies beyond the provider's
  `max_characters` is cut off.
* A text that has no vector (empty, only white space, or nothing that the model knows) gives `None`
  here, and a row of zeros from a provider itself. It is never divided by its length, so it is never
  NaN; search stores no vector for it and finds it by its words alone.
* Every other vector has length 1, is finite, and has exactly the provider's dimensions. An answer
  that breaks this is refused.

Importing this package loads no model, no numpy and no HTTP client.
"""

from .errors import (
    EmbeddingAnswerRefused,
    EmbeddingInputRefused,
    EmbeddingLimitReached,
    EmbeddingsUnavailable,
    UnknownEmbeddingProvider,
)
from .factory import provider_from, provider_names
from .provider import EmbeddingProvider, embed, model_slug

__all__ = [
    "EmbeddingAnswerRefused",
    "EmbeddingInputRefused",
    "EmbeddingLimitReached",
    "EmbeddingProvider",
    "EmbeddingsUnavailable",
    "UnknownEmbeddingProvider",
    "embed",
    "model_slug",
    "provider_from",
    "provider_names",
]
