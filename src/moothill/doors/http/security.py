"""Who is calling: from the headers of a request to the executor that runs its call."""

import time
from dataclasses import dataclass, field
from typing import Protocol
from uuid import UUID

from ...database.pool import Database
from ...kernel.context import Principal
from ...kernel.local import LocalExecutor, Runtime
from ...session import enter_tenant, view_as
from .request import RequestHeaders

__all__ = ["Entrance", "Gate"]

_VIEW_SECONDS = 60.0
_MOST_VIEWS = 1_000


class Gate(Protocol):
    """From a secret to a principal, with answers trusted for a few seconds."""

    async def authenticate(self, secret: str | None) -> Principal:
        """The principal of a secret, or an error."""
        ...

    def forget(self) -> None:
        """Trust no earlier answer any more."""
        ...

    async def flush(self) -> None:
        """Write the last uses collected so far."""
        ...


@dataclass(slots=True)
class Entrance:
    """Turns headers into executors.

    A view as an agent is looked up, and so recorded, once a minute for a key and an agent,
    not at each request: opening the view is the event, and each write names both actors anyway.
    """

    runtime: Runtime
    database: Database
    gate: Gate
    _views: dict[tuple[UUID | None, UUID, str], tuple[float, Principal]] = field(default_factory=dict)

    async def executor(self, headers: RequestHeaders) -> LocalExecutor:
        """The executor of the caller, in the tenant and with the eyes asked for.

        Raises:
            Unauthenticated: no key, or one that is not valid.
            Forbidden: the key's tenant is suspended, or the key may not view as others.
            NotFound: no such tenant that the key may enter, or no such agent.
        """
        principal = await self.gate.authenticate(headers.secret)
        if headers.tenant is not None:
            principal = await enter_tenant(self.database, principal, headers.tenant)
        if headers.view_as is not None:
            principal = await self._view(principal, headers)
        return LocalExecutor(self.runtime, principal, door="http", address=headers.address)

    def forget(self) -> None:
        """Trust no cached answer any more: a key or a tenant changed."""
        self.gate.forget()
        self._views.clear()

    def forget_views(self) -> None:
        """Look agents up again: one changed."""
        self._views.clear()

    async def _view(self, principal: Principal, headers: RequestHeaders) -> Principal:
        assert headers.view_as is not None
        place = (principal.key, principal.tenant, headers.view_as)
        known = self._views.get(place)
        if known is not None and time.monotonic() < known[0]:
            return known[1]
        local = LocalExecutor(self.runtime, principal, door="http", address=headers.address)
        seen = (await view_as(local, headers.view_as)).principal
        if len(self._views) >= _MOST_VIEWS:
            self._views.clear()
        self._views[place] = (time.monotonic() + _VIEW_SECONDS, seen)
        return seen
