"""From a provider's name in the settings to the provider."""

from __future__ import annotations

import re
from collections.abc import Callable
from importlib.metadata import EntryPoint, entry_points
from typing import TypeGuard

from moothill.kernel.errors import Invalid, MoothillError, near_match
from moothill.kernel.settings import Settings

from .errors import EmbeddingsUnavailable, UnknownEmbeddingProvider
from .provider import EmbeddingProvider

__all__ = ["ENTRY_POINTS", "provider_from", "provider_names"]

ENTRY_POINTS = "moothill.embeddings"


def _wordllama(settings: Settings) -> EmbeddingProvider:
    from .wordllama import DIMENSIONS, WordLlamaEmbeddings

    if settings.embedding_dimensions not in (None, DIMENSIONS):
        raise Invalid(
            f"WordLlama has {DIMENSIONS} dimensions; leave MOOTHILL_EMBEDDING_DIMENSIONS unset.",
            field="embedding_dimensions",
        )
    return WordLlamaEmbeddings()


def _openai(settings: Settings) -> EmbeddingProvider:
    from .openai import DEFAULT_MODEL, DEFAULT_URL, OpenAIEmbeddings

    return OpenAIEmbeddings(
        url=settings.embedding_url or DEFAULT_URL,
        key=settings.embedding_key,
        model=settings.embedding_model or DEFAULT_MODEL,
        dimensions=settings.embedding_dimensions,
    )


def _sentence_transformers(settings: Settings) -> EmbeddingProvider:
    from .sentence_transformers import DEFAULT_MODEL, SentenceTransformerEmbeddings

    return SentenceTransformerEmbeddings(
        model=settings.embedding_model or DEFAULT_MODEL, dimensions=settings.embedding_dimensions
    )


_BUILT_IN: dict[str, Callable[[Settings], EmbeddingProvider]] = {
    "wordllama": _wordllama,
    "openai": _openai,
    "sentence-transformers": _sentence_transformers,
}


def provider_names() -> list[str]:
    """Every provider that can be named: our own, and those of installed packages."""
    return sorted({*_BUILT_IN, *(point.name for point in entry_points(group=ENTRY_POINTS))})


def provider_from(settings: Settings) -> EmbeddingProvider:
    """The provider that the settings name. It connects to nothing and loads no model before its first use.

    A package adds a provider by an entry point in the group `moothill.embeddings`, a callable that
    takes the settings and returns the provider. It cannot take the name of one of ours.

    Raises:
        UnknownEmbeddingProvider: no provider has that name.
        Invalid: the settings do not fit the provider.
        EmbeddingsUnavailable: the provider's package is missing or broken.
    """
    name = settings.embedding_provider
    if name in _BUILT_IN:
        return _BUILT_IN[name](settings)
    for point in entry_points(group=ENTRY_POINTS):
        if point.name == name:
            return _third_party(point, settings)
    names = provider_names()
    raise UnknownEmbeddingProvider(
        f'There is no embedding provider "{name[:100]}".{near_match(name, names)} Known: {", ".join(names)}.',
        field="embedding_provider",
        provider=name[:100],
    )


def _third_party(point: EntryPoint, settings: Settings) -> EmbeddingProvider:
    try:
        provider: object = point.load()(settings)
    except MoothillError:
        raise
    except Exception as error:
        # Someone else's code may raise anything; the operator needs its name, the log its traceback.
        raise EmbeddingsUnavailable(
            f'The embedding provider "{point.name}" ({point.value}) cannot be made ({type(error).__name__}).',
            provider=point.name,
        ) from error
    if not _keeps_promise(provider):
        raise EmbeddingsUnavailable(
            f'The embedding provider "{point.name}" ({point.value}) breaks the protocol: it needs name, '
            f"model ([a-z0-9_], at most 32 characters), dimensions (1 to 4000), local, max_characters, "
            f"embed and close.",
            provider=point.name,
        )
    return provider


def _keeps_promise(provider: object) -> TypeGuard[EmbeddingProvider]:
    return (
        isinstance(provider, EmbeddingProvider)
        and isinstance(provider.model, str)
        and re.fullmatch(r"[a-z0-9_]{1,32}", provider.model) is not None
        and isinstance(provider.dimensions, int)
        and 1 <= provider.dimensions <= 4000
        and isinstance(provider.max_characters, int)
        and provider.max_characters >= 1
    )
