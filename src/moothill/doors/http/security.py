"""Who is calling: from the headers of a request to the executor that runs its call."""

import asyncio
import time
from dataclasses import dataclass, field
from typing import Protocol
from uuid import UUID
from weakref import WeakValueDictionary

from ...database.pool import Database
from ...kernel.context import Principal
from ...kernel.local import LocalExecutor, Runtime
from ...session import enter_tenant, view_as
from .request import RequestHeaders

__all__ = ["Entrance", "Gate"]

_VIEW_SECONDS = 60.0
_BEGUN_SECONDS = 15 * 60.0
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

    A view as an agent is looked up once a minute for a key and an agent, and after a change of agents. It is
    recorded when it begins: by `agents.view_as`, or by the first request with the header. One that nobody used
    for a quarter of an hour begins anew; each write names both actors anyway.
    """

    runtime: Runtime
    database: Database
    gate: Gate
    _views: dict[tuple[UUID | None, UUID, str], tuple[float, Principal]] = field(default_factory=dict)
    _begun: dict[tuple[UUID | None, UUID], dict[UUID, float]] = field(default_factory=dict)
    _looking: WeakValueDictionary[tuple[UUID | None, UUID, str], asyncio.Lock] = field(
        default_factory=WeakValueDictionary
    )

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

    def begun(self, key: UUID | None, tenant: UUID, agent: UUID) -> None:
        """A view was recorded just now, or used."""
        if len(self._begun) >= _MOST_VIEWS:
            self._begun.clear()
        self._begun.setdefault((key, tenant), {})[agent] = time.monotonic() + _BEGUN_SECONDS

    async def _view(self, principal: Principal, headers: RequestHeaders) -> Principal:
        assert headers.view_as is not None
        place = (principal.key, principal.tenant, headers.view_as)
        seen = self._known(place)
        if seen is None:
            # One at a time: a page and its feed begin the same view in the same moment.
            looking = self._looking.setdefault(place, asyncio.Lock())
            async with looking:
                seen = self._known(place) or await self._look(principal, headers)
                if len(self._views) >= _MOST_VIEWS:
                    self._views.clear()
                self._views[place] = (time.monotonic() + _VIEW_SECONDS, seen)
        self.begun(principal.key, principal.tenant, seen.actor.id)
        return seen

    def _known(self, place: tuple[UUID | None, UUID, str]) -> Principal | None:
        known = self._views.get(place)
        return known[1] if known is not None and time.monotonic() < known[0] else None

    async def _look(self, principal: Principal, headers: RequestHeaders) -> Principal:
        assert headers.view_as is not None
        local = LocalExecutor(self.runtime, principal, door="http", address=headers.address)
        begun = self._begun.get((principal.key, principal.tenant), {})
        if any(time.monotonic() < until for until in begun.values()):
            seen = (await view_as(local, headers.view_as, begun=True)).principal
            if time.monotonic() < begun.get(seen.actor.id, 0.0):
                return seen
        return (await view_as(local, headers.view_as)).principal
