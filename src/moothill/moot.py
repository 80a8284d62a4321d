"""The facade: one attribute per subsystem, over an executor that is local or remote."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, cast

from .kernel.catalogue import Operations, wire_batch
from .kernel.context import CallOptions
from .kernel.errors import Invalid
from .kernel.operation import BatchCall
from .kernel.service import SERVICES, Executor, Service
from .registry.agents import Agents
from .registry.capabilities import Capabilities
from .registry.graph import Graph
from .registry.relationships import Relationships
from .registry.search import Search
from .tenancy.accounts import Accounts
from .tenancy.audit import Audit
from .tenancy.encryption import Encryption
from .tenancy.erasure import Erasure
from .tenancy.keys import Keys
from .tenancy.limits import Limits
from .tenancy.privacy import Privacy
from .tenancy.retention import Retention
from .tenancy.sharing import Sharing
from .tenancy.tenants import Tenants
from .tenancy.untrusted import AgentSql
from .work.queues import Queues
from .work.tasks import Tasks
from .worker.events import Events
from .worker.jobs import Jobs

if TYPE_CHECKING:
    from .session import Session

__all__ = ["Moot"]


class Moot:
    """Everything Moothill does, for one tenant and one actor.

    Comes from `moothill.connect()`. The same object whether the work is done here, on a database
    or at a server; only `transaction()` needs a database connection.
    """

    tenants: Tenants
    keys: Keys
    accounts: Accounts
    limits: Limits
    sharing: Sharing
    privacy: Privacy
    audit: Audit
    retention: Retention
    erasure: Erasure
    encryption: Encryption
    operations: Operations
    events: Events
    jobs: Jobs
    agents: Agents
    capabilities: Capabilities
    relationships: Relationships
    graph: Graph
    search: Search
    tasks: Tasks
    queues: Queues
    sql: AgentSql

    def __init__(self, executor: Executor, session: Session | None = None) -> None:
        self.executor = executor
        self.session = session
        for name, service in _attributes().items():
            setattr(self, name, service(executor))

    def service(self, kind: type[Service]) -> Service:
        """A third party's service on this executor."""
        return kind(self.executor)

    async def batch(self, calls: Sequence[BatchCall]) -> list[Any]:
        """Run calls in one transaction, in order; a call may use `earlier.result[...]`.

        Returns:
            The results, typed as if each operation had been called by itself.
        """
        outcome = await self.operations.batch(calls=cast(Any, wire_batch(calls)))
        return [
            call.operation.signature.output.validate_python(result, strict=False)
            for call, result in zip(calls, outcome.results, strict=True)
        ]

    def tenant(self, reference: str) -> Moot:
        """The same connection in another tenant, given by slug or id; looked up at the first call."""
        return self._of_session().in_tenant(self, reference)

    def view_as(self, agent: str, *, begun: bool = False) -> Moot:
        """The same connection seen with an agent's eyes; what is done is recorded under both names.

        Args:
            agent: its own key or its id.
            begun: `agents.view_as` was called for this view already, which recorded it; otherwise the first
                call records it. A server knows by itself.
        """
        return self._of_session().view_as(self, agent, begun=begun)

    def with_key(self, secret: str) -> Moot:
        """The same connection as whoever holds an API key, in that key's tenant."""
        return self._of_session().with_key(self, secret)

    @asynccontextmanager
    async def transaction(self, *, reason: str | None = None) -> AsyncIterator[Moot]:
        """Group calls in one transaction; they join it as long as the block runs.

        Raises:
            Invalid: this Moot talks to a server; use `batch` there.
        """
        open_one = getattr(self.executor, "transaction", None)
        if open_one is None:
            raise Invalid("An interactive transaction needs a database connection; over a URL use batch([...]).")
        async with open_one(CallOptions(reason=reason)):
            yield self

    async def close(self) -> None:
        """Let running calls end and release everything that connect() opened."""
        if self.session is not None:
            await self.session.close()

    def _of_session(self) -> Session:
        if self.session is None:
            raise Invalid("This Moot has no session; make it with moothill.connect().")
        return self.session


def _attributes() -> dict[str, type[Service]]:
    return {group: service for group, service in SERVICES.items() if group in Moot.__annotations__}
