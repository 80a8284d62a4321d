"""An open page: who looks, at which tenant, with whose eyes, and what it has asked so far."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

from nicegui import Client, ui

from ..kernel.authority import authorise
from ..kernel.context import Actor, Principal
from ..kernel.errors import Forbidden, MoothillError, NotFound, Unauthenticated
from ..kernel.events import Event
from ..kernel.service import REGISTRY
from ..moot import Moot
from .calls import Call, WatchedExecutor
from .listener import Feed, Listener
from .sessions import Session, SignedIn, SignedOut, View

__all__ = ["Visit", "open_visit"]

MOST_HELD = 500


class NoSuchView(NotFound):
    """This session is not viewing as that agent; begin it on the agent's page."""


@dataclass(slots=True)
class Visit:
    """One tab of a browser.

    Attributes:
        moot: the society as this tab may see it; pages call nothing else.
        base_moot: the same without the noting of calls, to derive others from.
        base: what every address of this tab begins with.
        renew: shows the current screen anew; the frame says how.
        held: events that arrived while live updates were paused.
    """

    session: Session
    signed: SignedIn
    tenant: str
    view: View | None
    principal: Principal
    base_moot: Moot
    moot: Moot
    watched: WatchedExecutor
    client: Client
    feed: Feed
    root: str = ""
    is_paused: bool = False
    is_hidden: bool = False
    held: list[Event] = field(default_factory=list)
    on_pause: list[Callable[[], None]] = field(default_factory=list)
    renew: Callable[[], None] = lambda: None
    _subscribers: list[Callable[[Sequence[Event]], None]] = field(default_factory=list)

    @property
    def base(self) -> str:
        """`/t/acme`, or `/t/acme/as/<agent>` while viewing as somebody."""
        place = f"/t/{quote(self.tenant, safe='')}"
        return f"{place}/as/{self.view.agent}" if self.view else place

    def url(self, path: str = "", /, **query: Any) -> str:
        """Address of a screen in this tab's tenant; empty values are left out."""
        given = {name: value for name, value in query.items() if value not in (None, "", [])}
        return f"{self.base}{path}" + (f"?{urlencode(given, doseq=True)}" if given else "")

    def go(self, address: str) -> None:
        """Show the screen of an address; where it is shown already, show it anew."""
        self.session.touch()
        if address == self.client.sub_pages_router.current_path:
            self.renew()
        else:
            ui.navigate.to(address)

    def within(self, tenant: str) -> Moot:
        """The same key in another tenant, for screens that look from above all tenants; that tenant's log names it."""
        there = self.base_moot.tenant(tenant)
        return Moot(self.watched.within(tenant, there.executor), there.session)

    def may(self, operation: str) -> bool:
        """Whether an operation exists here and the key covers it."""
        found = REGISTRY.get(operation)
        if found is None:
            return False
        try:
            authorise(found, self.principal)
        except Forbidden:
            return False
        return True

    @property
    def calls(self) -> Sequence[Call]:
        """What this screen asked so far."""
        return tuple(self.watched.calls)

    # ------------------------------------------------------------ live

    @property
    def is_live(self) -> bool:
        """Whether new events reach the screen at once."""
        return not self.is_paused and not self.is_hidden

    def listen(self, heard: Callable[[Sequence[Event]], None]) -> None:
        """Tell this screen of new events, until it is left."""
        self._subscribers.append(heard)
        if len(self._subscribers) == 1:
            self.feed.subscribe(self._happened)

    def leave(self) -> None:
        """The screen is left: forget its calls and stop telling it."""
        self.watched.calls.clear()
        if self._subscribers:
            self._subscribers.clear()
            self.feed.unsubscribe(self._happened)
        self.held.clear()

    def pause(self, paused: bool) -> None:
        """Hold live updates back, or let them go on with what was held."""
        self.is_paused = paused
        self._flow()

    def hide(self, hidden: bool) -> None:
        """The tab went out of sight, or came back."""
        self.is_hidden = hidden
        self._flow()

    def _happened(self, events: Sequence[Event]) -> None:
        if self.is_live:
            for heard in tuple(self._subscribers):
                heard(events)
        else:
            self.held.extend(events)
            del self.held[:-MOST_HELD]
            self._tell()

    def _flow(self) -> None:
        if self.is_live and self.held:
            events, self.held = self.held, []
            self._happened(events)
        self._tell()

    def _tell(self) -> None:
        for tell in tuple(self.on_pause):
            tell()


def open_visit(
    session: Session, listener: Listener, client: Client, tenant: str, agent: str | None, root: str = ""
) -> Visit:
    """The visit of a page that is being opened.

    Raises:
        SignedOut: no key is left.
        NotFound: no key of this session enters that tenant, or no such view was begun.
    """
    if not session.is_open or not session.keys:
        raise SignedOut()
    signed = session.key_for(tenant)
    if signed is None:
        raise NotFound(f"None of your keys enters the tenant {tenant!r}; add one that does.")
    view = None
    if agent is not None:
        views = session.views.values()
        view = next((view for view in views if view.tenant == tenant and str(view.agent) == agent), None)
        if view is None:
            raise NoSuchView()
    home = signed.identity
    moot = signed.moot if tenant in (home.tenant_slug, str(home.tenant)) else signed.moot.tenant(tenant)
    principal = signed.principal(tenant)
    if view is not None:
        moot = view.moot
        principal = Principal(
            tenant=principal.tenant,
            tenant_slug=tenant,
            actor=Actor("agent", view.agent, view.name),
            scopes=frozenset(scope for scope in principal.scopes if not scope.startswith("platform:")),
            real_actor=principal.actor,
        )

    def alive() -> None:
        session.check()
        if signed not in session.keys:
            raise SignedOut()

    def failed(error: MoothillError) -> None:
        # A key that the server refuses is of no more use; other keys of the session stay.
        if isinstance(error, Unauthenticated) and not isinstance(error, SignedOut):
            session.drop(signed)

    watched = WatchedExecutor(moot.executor, alive, failed)
    feed = listener.feed(signed, tenant, moot, view.agent if view else None)
    return Visit(
        session=session,
        signed=signed,
        tenant=tenant,
        view=view,
        principal=principal,
        base_moot=moot,
        moot=Moot(watched, moot.session),
        watched=watched,
        client=client,
        feed=feed,
        root=root,
    )
