"""Sessions: what stands behind a Moot (an embedded server, a database, or a server's URL)."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any
from uuid import UUID

from .database.control import find_tenant
from .database.guards import check_guards
from .database.migrate import Migrator
from .database.pool import Database
from .database.untrusted import UntrustedSql
from .kernel.authority import authorise
from .kernel.context import EVERYTHING, SYSTEM, Actor, CallOptions, Context, Principal
from .kernel.errors import Conflict, Invalid, NotFound, Unavailable
from .kernel.identifiers import NOBODY
from .kernel.local import LocalExecutor, Runtime
from .kernel.operation import Operation
from .kernel.service import REGISTRY, Executor
from .kernel.settings import Settings
from .moot import Moot
from .registry.search.sessions.recorder import recorder_of
from .tenancy.keys import Credentials, KeyGate
from .tenancy.limits import RatesShared
from .tenancy.sharing import Accesses
from .tenancy.untrusted import NAME, Desk
from .worker import Nudge, Worker

if TYPE_CHECKING:
    from .database.embedded import EmbeddedServer
    from .tenancy.tokens import TokenGate

__all__ = ["Connecting", "Session", "connect", "embedded_server", "open_database"]

DEFAULT_TENANT = "default"
_WORKER_BEGINS = 1.0
_VIEW_BEGUN = "agents.viewed_as"
# A folder's name may hold an equals sign too, but no whole path begins like this.
_DSN = re.compile(r"postgres(ql)?://|\s*[a-z_]+\s*=")
OPERATOR = Actor("operator", NOBODY, "local operator")


class TenantUnknown(NotFound):
    """There is no such tenant."""


@dataclass(slots=True)
class Session:
    """The resources of one connection, closed together.

    Attributes:
        settings: what it was opened with.
        runtime: the shared parts of local executors; None over a URL.
        database: the pool; None over a URL.
        nudge: carries nudges to other processes, and theirs to this one once somebody waits for them.
    """

    settings: Settings
    stack: AsyncExitStack
    runtime: Runtime | None = None
    database: Database | None = None
    migrator_dsn: str | None = None
    gate: Credentials | None = None
    nudge: Nudge | None = None

    def in_tenant(self, moot: Moot, reference: str) -> Moot:
        """The same connection in another tenant."""
        executor = moot.executor
        if self.database is None:
            return Moot(_remote(executor).elsewhere(tenant=reference), self)

        async def resolve() -> LocalExecutor:
            local = await _settled(executor)
            assert self.database is not None
            principal = await enter_tenant(self.database, local.principal, reference)
            return LocalExecutor(local.runtime, principal, door=local.door, address=local.address)

        return Moot(DeferredExecutor(resolve, executor), self)

    def view_as(self, moot: Moot, agent: str, *, begun: bool = False) -> Moot:
        """The same connection with an agent's eyes."""
        executor = moot.executor
        if self.database is None:
            return Moot(_remote(executor).elsewhere(view_as=agent), self)

        async def resolve() -> LocalExecutor:
            return await view_as(await _settled(executor), agent, begun=begun)

        return Moot(DeferredExecutor(resolve, executor), self)

    def with_key(self, moot: Moot, secret: str) -> Moot:
        """The same connection as whoever holds a key; a database asks again every few seconds."""
        if self.database is None:
            return Moot(_remote(moot.executor).elsewhere(key=secret), self)
        return Moot(KeyedExecutor(self.key_gate(), secret, moot.executor), self)

    def key_gate(self) -> Credentials:
        """What authenticates keys and tokens against the database of this session; told when keys or tenants change.

        Raises:
            Invalid: a setting of tokens breaks its rule, or their extra is not installed.
        """
        assert self.database is not None
        if self.gate is None:
            self.gate = Credentials(KeyGate(self.database), _token_gate(self.settings, self.database))
            if self.runtime is not None:
                self.runtime.nudges.key_listeners.append(self.gate.forget)
        return self.gate

    @asynccontextmanager
    async def sharing_rates(self) -> AsyncIterator[None]:
        """Beside the block, tell other processes what was spent of limits of calls, and hear what they spent."""
        assert self.runtime is not None
        assert self.database is not None
        async with RatesShared(self.runtime.instruments.rates, self.database).running():
            yield

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        """A worker beside the block: it begins with the first write, or a second later."""
        assert self.runtime is not None
        assert self.database is not None
        worker = Worker(self.runtime, self.database, self.settings)

        async def begin() -> None:
            with worker.runtime.nudges.bell(from_afar=False) as bell:
                await bell.wait(_WORKER_BEGINS)
            await worker.run()

        task = asyncio.create_task(begin(), name="worker")
        try:
            yield
        finally:
            if worker.is_running:
                await worker.stop()
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def close(self) -> None:
        """Let running calls end and release everything."""
        await self.stack.aclose()


async def enter_tenant(database: Database, principal: Principal, reference: str) -> Principal:
    """The same actor in the tenant of a slug or id.

    Raises:
        NotFound: there is no such tenant, or none that this key may enter: it is not told which.
    """
    if reference in (principal.tenant_slug, str(principal.tenant)):
        return principal
    found = await find_tenant(database, reference)
    if principal.may("platform:tenants"):
        if found is None:
            raise TenantUnknown(f"There is no tenant {reference!r}; `tenants.list` shows those that exist.")
    elif found is None or found["id"] != principal.tenant:
        raise TenantUnknown(f"There is no tenant {reference!r} that this key may enter.")
    # Who holds the database's DSN works as the tenant; who comes with a key comes as a visitor.
    home = None if principal.key is None else principal.home or principal.tenant
    return replace(principal, tenant=found["id"], tenant_slug=found["slug"], home=None if home == found["id"] else home)


async def view_as(local: LocalExecutor, agent: str, *, begun: bool = False) -> LocalExecutor:
    """An executor that acts as an agent while the operator behind it is recorded with everything.

    Args:
        local: the operator's.
        agent: its own key or its id.
        begun: the beginning was recorded already, so the agent is looked up only.

    Raises:
        Forbidden: the caller lacks `agents:view_as`.
        NotFound: there is no such agent.
        Conflict: it was deactivated.
    """
    from .registry.agents import Agents
    from .registry.agents.lookup import live

    if begun:
        authorise(REGISTRY["agents.view_as"], local.principal)
        # Who may view as an agent may find it, whatever else the key covers.
        finder = replace(local.principal, scopes=local.principal.scopes | {"agents:read"})
        finding = LocalExecutor(local.runtime, finder, door=local.door, address=local.address)
        seen = live(await Agents(finding).get(agent=agent))
    else:
        seen = await Agents(local).view_as(agent=agent)
    principal = replace(
        local.principal,
        actor=Actor("agent", seen.id, seen.name),
        real_actor=local.principal.real_actor or local.principal.actor,
        scopes=frozenset(scope for scope in local.principal.scopes if not scope.startswith("platform:")),
    )
    return LocalExecutor(local.runtime, principal, door=local.door, address=local.address)


def begun_views(call: Context) -> list[UUID]:
    """The agents as which a call, that has committed, began to view."""
    return [event.subject for event in call.pending if event.kind == _VIEW_BEGUN and event.subject is not None]


class DeferredExecutor:
    """Finds its real executor at the first call, so that `moot.tenant("acme")` needs no await."""

    def __init__(self, resolve: Callable[[], Awaitable[LocalExecutor]], source: object = None) -> None:
        self._resolve = resolve
        self._source = source
        self._real: LocalExecutor | None = None
        self._finding = asyncio.Lock()

    async def real(self) -> LocalExecutor:
        """The executor behind this one."""
        if isinstance(self._source, DeferredExecutor):
            await self._source.real()  # a key that was revoked meanwhile is refused here too
        # Two first calls at once find it once: finding may write, as the beginning of a view does.
        async with self._finding:
            if self._real is None:
                self._real = await self._resolve()
        return self._real

    async def run(self, operation: Operation[Any, Any], arguments: Mapping[str, Any], options: CallOptions) -> Any:
        """Run one call there."""
        return await (await self.real()).run(operation, arguments, options)

    async def iterate(
        self, operation: Operation[Any, Any], arguments: Mapping[str, Any], options: CallOptions
    ) -> AsyncIterator[Any]:
        """Run a stream there."""
        async for item in (await self.real()).iterate(operation, arguments, options):
            yield item

    @asynccontextmanager
    async def transaction(self, options: CallOptions | None = None) -> AsyncIterator[None]:
        """Group calls there."""
        async with (await self.real()).transaction(options):
            yield


class KeyedExecutor(DeferredExecutor):
    """Acts as whoever holds a key, and asks the gate at each call: a revoked key is refused."""

    def __init__(self, gate: Credentials, secret: str, base: Executor) -> None:
        async def resolve() -> LocalExecutor:
            local = await _settled(base)
            return LocalExecutor(local.runtime, await gate.authenticate(secret), door=local.door)

        super().__init__(resolve)

    async def real(self) -> LocalExecutor:
        """The executor of the key's principal, as it is now."""
        return await self._resolve()


class Connecting:
    """What `connect()` gives: `await` it, or use it in `async with`."""

    def __init__(self, opening: Callable[[], Awaitable[Moot]]) -> None:
        self._opening = opening
        self._moot: Moot | None = None

    def __await__(self) -> Generator[Any, None, Moot]:
        return self._opening().__await__()

    async def __aenter__(self) -> Moot:
        self._moot = await self._opening()
        return self._moot

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._moot is not None:
            await self._moot.close()


def connect(
    target: str | Path | None = None,
    *,
    tenant: str | None = None,
    key: str | None = None,
    settings: Settings | None = None,
    **overrides: Any,
) -> Connecting:
    """Connect to a society.

    Args:
        target: nothing (the environment, else an embedded server under the user's data folder), a
            folder (an embedded server in it), a PostgreSQL DSN, or the URL of a running server.
        tenant: slug or id; default: the settings', else `default`.
        key: API key, for a server's URL.
        settings: instead of those of the environment.
        **overrides: single settings by name; see `Settings`.

    Returns:
        A Moot, by `await` (then close it with `await moot.close()`) or `async with`.
    """

    async def opening() -> Moot:
        chosen = settings or Settings.load(None, tenant=tenant, key=key, **overrides)
        where = os.fspath(target) if target is not None else None
        if where is None:
            if chosen.url:
                where = chosen.url
            elif chosen.dsn:
                where = chosen.dsn.get_secret_value()
        if where is not None and where.startswith(("http://", "https://")):
            return await _open_remote(where, chosen, tenant)
        if where is not None and not isinstance(target, Path) and _DSN.match(where):
            return await open_database(where, chosen, tenant or chosen.tenant, create=True)
        return await _open_embedded(Path(where) if where else chosen.home, chosen, tenant or chosen.tenant)

    return Connecting(opening)


async def _open_remote(url: str, settings: Settings, tenant: str | None) -> Moot:
    from .kernel.remote import RemoteExecutor

    stack = AsyncExitStack()
    secret = settings.key.get_secret_value() if settings.key else None
    executor = RemoteExecutor(url, key=secret, tenant=tenant)
    stack.push_async_callback(executor.close)
    return Moot(executor, Session(settings, stack))


@asynccontextmanager
async def embedded_server(folder: Path | None, settings: Settings) -> AsyncIterator[EmbeddedServer]:
    """The embedded server of a folder, running, with its roles and its database, not yet migrated."""
    from .database.embedded import EmbeddedServer
    from .database.roles import bootstrap, edition

    async def first_start(server: EmbeddedServer) -> None:
        await bootstrap(
            server.dsn("admin"),
            "moothill",
            app_password=server.password("app"),
            migrator_password=server.password("migrator"),
            sql_password=server.password("sql"),
        )

    server = EmbeddedServer(folder, major=settings.postgres_major)
    async with server.running(bootstrap=first_start, edition=edition()):
        yield server


async def _open_embedded(folder: Path | None, settings: Settings, tenant: str) -> Moot:
    stack = AsyncExitStack()
    try:
        server = await stack.enter_async_context(embedded_server(folder, settings))
        async with server.lock():
            await Migrator(server.dsn("migrator"), table=settings.migration_table).migrate()
            settings = await asyncio.to_thread(_with_own_files, settings, server)
        moot = await open_database(
            server.dsn("app"),
            settings,
            tenant,
            stack=stack,
            migrator_dsn=server.dsn("migrator"),
            sql_dsn=server.dsn("sql"),
            own_keks=server.folder / "keks",
            create=True,
        )
        if settings.worker:
            assert moot.session is not None
            await stack.enter_async_context(moot.session.working())
        return moot
    except BaseException:
        await stack.aclose()
        raise


def _with_own_files(settings: Settings, server: EmbeddedServer) -> Settings:
    """The settings with a folder of archives and a signing key in the server's own folder, where none are named."""
    from .database.embedded.folder import write_privately
    from .tenancy.erasure.reports import new_key

    own: dict[str, Path] = {}
    if settings.archive_folder is None:
        own["archive_folder"] = server.folder / "archive"
    if settings.signing_key is None and settings.signing_key_file is None:
        own["signing_key_file"] = path = server.folder / "signing.key"
        if not path.exists():
            write_privately(path, new_key() + "\n")
    return settings.model_copy(update=own)


async def open_database(
    dsn: str,
    settings: Settings,
    tenant: str,
    *,
    stack: AsyncExitStack | None = None,
    migrator_dsn: str | None = None,
    sql_dsn: str | None = None,
    own_keks: Path | None = None,
    create: bool = False,
) -> Moot:
    """A Moot on a database, as its local operator with every scope.

    Args:
        dsn: of the role moothill_app.
        settings: pool sizes, timeouts and the rest.
        tenant: slug or id of the tenant to work in.
        stack: closes what was opened before.
        migrator_dsn: kept for operations of the database group.
        sql_dsn: of the role moothill_sql, for SQL of agents; by default the settings'.
        own_keks: file of key-encryption keys, made when it is needed first, where the settings name none.
        create: make the tenant `default` when it is missing, so that a database that was just migrated can be used.

    Raises:
        SchemaMissing: migrations are pending.
        GuardMissing: a guard of the isolation is missing; nothing is served.
    """
    stack = stack or AsyncExitStack()
    try:
        database = Database(dsn, settings, own_keks=own_keks)
        stack.push_async_callback(database.close)
        await database.open()
        await check_guards(database)
        runtime = Runtime(database, visits=Accesses(database))
        if sql_dsn is None and settings.sql_dsn is not None:
            sql_dsn = settings.sql_dsn.get_secret_value()
        untrusted = UntrustedSql(database, sql_dsn)
        stack.push_async_callback(untrusted.close)
        stack.push_async_callback(recorder_of(runtime).close)
        runtime.providers[NAME] = Desk(untrusted)
        nudge = Nudge(runtime, database)
        nudge.attach()
        stack.push_async_callback(nudge.close)
        found = await find_tenant(database, tenant)
        if found is None and create and tenant == DEFAULT_TENANT:
            found = await _create_default(runtime)
        if found is None:
            raise TenantUnknown(f"There is no tenant {tenant!r}; `moothill tenants create {tenant} NAME` makes it.")
        principal = Principal(tenant=found["id"], tenant_slug=found["slug"], actor=OPERATOR, scopes=EVERYTHING)
        session = Session(settings, stack, runtime, database, migrator_dsn, nudge=nudge)
        return Moot(LocalExecutor(runtime, principal), session)
    except BaseException:
        await stack.aclose()
        raise


async def _create_default(runtime: Runtime) -> Mapping[str, Any]:
    from .kernel.identifiers import uuid7
    from .tenancy.tenants import Tenants

    platform = Principal(tenant=uuid7(), tenant_slug="", actor=SYSTEM, scopes=EVERYTHING)
    try:
        made = await Tenants(LocalExecutor(runtime, platform)).create(slug=DEFAULT_TENANT, name="Default")
        return {"id": made.id, "slug": made.slug}
    except Conflict:
        assert isinstance(runtime.database, Database)
        found = await find_tenant(runtime.database, DEFAULT_TENANT)
        if found is None:
            raise Unavailable("The default tenant could not be made; try again.") from None
        return found


def _token_gate(settings: Settings, database: Database) -> TokenGate | None:
    """The gate for tokens, where the settings name an issuer; nothing of it is imported otherwise."""
    if not settings.oidc_issuers:
        return None
    try:
        from .tenancy.tokens import TokenGate, token_rules
    except ModuleNotFoundError as missing:
        if missing.name not in ("jwt", "cryptography"):
            raise
        raise Invalid(
            "Setting oidc_issuers: tokens need the extra `oidc`: pip install 'moothill[oidc]'.", field="oidc_issuers"
        ) from None
    rules = token_rules(settings)
    return None if rules is None else TokenGate(rules, database)


async def _settled(executor: Any) -> LocalExecutor:
    if isinstance(executor, DeferredExecutor):
        return await executor.real()
    if isinstance(executor, LocalExecutor):
        return executor
    raise Invalid("This Moot talks to a server, not to a database.")


def _remote(executor: Any) -> Any:
    if not hasattr(executor, "elsewhere"):
        raise Invalid("This Moot talks to a database, not to a server.")
    return executor
