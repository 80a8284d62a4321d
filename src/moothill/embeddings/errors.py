"""What can go wrong between a text and its vector. No message or context ever holds a text or a key."""

from moothill.kernel.errors import Exhausted, Invalid, Unavailable

__all__ = [
    "EmbeddingAnswerRefused",
    "EmbeddingInputRefused",
    "EmbeddingLimitReached",
    "EmbeddingsUnavailable",
    "UnknownEmbeddingProvider",
]


class UnknownEmbeddingProvider(Invalid):
    """No embedding provider has this name."""


class EmbeddingsUnavailable(Unavailable):
    """The embedding provider does not answer; try again later."""


class EmbeddingAnswerRefused(Unavailable):
    """The embedding provider's answer cannot be used: wrong count, wrong dimensions, or not finite."""


class EmbeddingLimitReached(Exhausted):
    """The embedding provider's rate limit was reached; try again later."""


class EmbeddingInputRefused(Invalid):
    """The embedding provider refuses this input; nothing was stored."""
