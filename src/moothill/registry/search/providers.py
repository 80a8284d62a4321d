"""The embedding providers of a process, and which models are known to have a table."""

import time
from dataclasses import dataclass, field
from uuid import UUID

from ...embeddings import EmbeddingProvider, provider_from
from ...kernel.errors import Internal
from ...kernel.local import LocalExecutor
from ...kernel.service import Executor
from ...kernel.settings import Settings

__all__ = ["Providers", "providers_of"]

_NAME = "embeddings"
# How long a process may go on asking the model that answered until now; that one is kept for longer.
_TRUSTED_SECONDS = 5.0


@dataclass(slots=True)
class Providers:
    """What makes vectors in this process.

    Attributes:
        configured: the provider that the settings name; new items get its vectors.
        others: further providers by model, such as the one before a change of settings.
        made: models whose table is known to exist.
    """

    configured: EmbeddingProvider
    others: dict[str, EmbeddingProvider] = field(default_factory=dict)
    made: set[str] = field(default_factory=set)
    _serving: dict[UUID, tuple[str, float]] = field(default_factory=dict)

    def of(self, model: str) -> EmbeddingProvider | None:
        """The provider of a model; WordLlama is always at hand."""
        if model == self.configured.model:
            return self.configured
        if model not in self.others:
            offline = provider_from(Settings())
            if offline.model == model:
                self.others[model] = offline
        return self.others.get(model)

    def serving(self, tenant: UUID) -> str | None:
        """The model that answers in a tenant, where that was asked a moment ago."""
        known = self._serving.get(tenant)
        return known[0] if known is not None and known[1] > time.monotonic() else None

    def remember(self, tenant: UUID, model: str) -> None:
        """Keep for a moment which model answers in a tenant."""
        if len(self._serving) > 10_000:
            self._serving.clear()
        self._serving[tenant] = (model, time.monotonic() + _TRUSTED_SECONDS)

    def forget(self, tenant: UUID) -> None:
        """Ask again which model answers."""
        self._serving.pop(tenant, None)

    async def close(self) -> None:
        """Let go of the providers' connections."""
        for provider in (self.configured, *self.others.values()):
            await provider.close()


def providers_of(executor: Executor) -> Providers:
    """The providers of the process in which a service's body runs."""
    if not isinstance(executor, LocalExecutor):
        raise Internal("Vectors are made where the database is, not at a remote caller.")
    found = executor.runtime.providers.get(_NAME)
    if found is None:
        settings = getattr(executor.runtime.database, "settings", None)
        if not isinstance(settings, Settings):
            raise Internal("The database of this process carries no settings.")
        found = executor.runtime.providers[_NAME] = Providers(provider_from(settings))
    assert isinstance(found, Providers)
    return found
