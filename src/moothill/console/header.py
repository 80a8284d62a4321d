"""The header: tenant switch, jump box, live state, read-only switch, calls, colours, who is signed in."""

from collections.abc import Callable
from urllib.parse import quote

from nicegui import ui

from ..kernel.errors import MoothillError
from .act import tell
from .sessions import CHANGE_SECONDS
from .sheets import show_calls
from .visit import Visit
from .widgets.dialogs import button, sheet
from .widgets.text import box, link, quiet, text, with_property
from .widgets.words import acting, counted

__all__ = ["Header"]

MOST_TENANTS = 200


class Header:
    """The header of one open page; its parts change in place."""

    def __init__(self, visit: Visit, jump: Callable[[], None], turn_menu: Callable[[], None]) -> None:
        self.visit = visit
        self.jump = jump
        self.turn_menu = turn_menu

    def build(self) -> None:
        """Make the elements."""
        visit = self.visit
        visit.on_pause.append(self._show_live)
        self.dark = ui.dark_mode(visit.session.dark)
        with ui.header(wrap=False).classes("bar"):
            with _press(self.turn_menu, "chip-button bare only-narrow"):
                ui.icon("o_menu")
                ui.tooltip("Menu")
            with link("", visit.url("/"), "brand"):
                with_property(with_property(box("", "img"), "src", f"{visit.root}/assets/mark.svg"), "alt", "")
                text("Moothill", tag="b")
            self._tenant_switch()
            with _press(self.jump, "chip-button jump").mark("jump"):
                ui.icon("o_search")
                text("Search or jump to", "grow")
                text("Ctrl K", tag="kbd")
            self._live()
            self._lock()
            with _press(lambda: show_calls(visit), "chip-button bare").mark("calls"):
                ui.icon("o_code")
                ui.tooltip("This page as Python, HTTP, command line and MCP")
            with _press(self._turn_dark, "chip-button bare").mark("dark"):
                ui.icon("o_contrast")
                ui.tooltip("Light or dark")
            self._account()

    def renew(self) -> None:
        """A screen was changed: show the state of things anew."""
        self._show_live()
        self._show_lock()

    # ------------------------------------------------------------ tenants

    def _tenant_switch(self) -> None:
        with _press(None, "chip-button tenant").mark("tenant"):
            ui.icon("o_corporate_fare")
            text(self.visit.tenant, "clip")
            ui.icon("o_unfold_more")
            with ui.menu().props("auto-close max-height=70vh") as menu:
                text("Tenants of your keys", "caption", "div")
                box("hidden")
            menu.on_value_change(lambda event: self._fill_tenants(menu) if event.value else None)

    async def _fill_tenants(self, menu: ui.menu) -> None:
        session = self.visit.session
        slugs = {key.identity.tenant_slug for key in session.keys}
        more = False
        try:
            for key in session.keys:
                if key.is_platform:
                    page = await key.moot.tenants.list(status="active", limit=MOST_TENANTS)
                    slugs |= {tenant.slug for tenant in page.items}
                    more = more or page.next is not None
        except MoothillError as error:
            tell(error)
        menu.clear()
        with menu:
            text("Tenants of your keys", "caption", "div")
            for slug in sorted(slugs):
                item = ui.menu_item(slug, lambda slug=slug: self.enter(slug)).mark(f"tenant-{slug}")
                if slug == self.visit.tenant:
                    item.props("active")
            if more:
                ui.menu_item("All tenants", lambda: self.visit.go(self.visit.url("/tenants")))
            ui.separator()
            ui.menu_item("Add another key", lambda: self.visit.client.open("/login"))

    def enter(self, slug: str) -> None:
        """Open another tenant in this tab."""
        self.visit.client.open(f"/t/{quote(slug, safe='')}/")

    # ------------------------------------------------------------ live and locked

    def _live(self) -> None:
        with _press(lambda: self.visit.pause(not self.visit.is_paused), "chip-button").mark("live"):
            self.live_dot = box("dot")
            self.live_words = text("Live")
            self.live_note = ui.tooltip("")
        self.visit.feed.changed.subscribe(self._show_live)
        self._show_live()

    def _show_live(self) -> None:
        visit = self.visit
        dot, words, note = {
            "off": ("", "Still", "This screen does not follow events."),
            "live": ("live", "Live", "New events appear at once. Press r to hold them."),
            "lost": ("lost", "Reconnecting", "The server does not answer; trying again."),
            "refused": ("", "Still", "This key may not read events."),
        }[visit.feed.state]
        if visit.is_paused:
            waiting = f" · {counted(len(visit.held), 'event')} waiting" if visit.held else ""
            dot, words, note = "held", f"Paused{waiting}", "Press r to go on."
        self.live_dot.classes(replace=f"dot {dot}")
        self.live_words.set_text(words)
        self.live_note.set_text(note)

    def _lock(self) -> None:
        with _press(self._turn_lock, "chip-button").mark("lock") as self.lock:
            self.lock_icon = ui.icon("o_lock")
            self.lock_words = text("Read only")
            ui.tooltip(f"Changes are switched on for {CHANGE_SECONDS / 60:.0f} minutes; each still asks for a reason.")
        self._show_lock()

    def _turn_lock(self) -> None:
        session = self.visit.session
        session.forbid_changes() if session.may_change else session.allow_changes()
        self._show_lock()

    def _show_lock(self) -> None:
        on = self.visit.session.may_change
        self.lock_icon.set_name("o_lock_open" if on else "o_lock")
        self.lock_words.set_text("Changes on" if on else "Read only")
        self.lock.classes(add="is-on") if on else self.lock.classes(remove="is-on")

    def _turn_dark(self) -> None:
        session = self.visit.session
        session.dark = not session.dark
        self.dark.set_value(session.dark)

    # ------------------------------------------------------------ account

    def _account(self) -> None:
        who = self.visit.signed
        with _press(None, "chip-button bare").mark("account"):
            ui.icon("o_account_circle")
            with ui.menu():
                text("Signed in", "caption", "div")
                for key in self.visit.session.keys:
                    name = f"{key.identity.actor_name} · {key.identity.tenant_slug}"
                    item = ui.menu_item(name, lambda key=key: self.enter(key.identity.tenant_slug))
                    if key is who:
                        item.props("active")
                ui.separator()
                ui.menu_item("Who am I", self._who).mark("who")
                ui.menu_item("Add another key", lambda: self.visit.client.open("/login"))
                # A form, because leaving changes something and must not be a link.
                with ui.element("form").props('method="post"') as form:
                    with_property(form, "action", f"{self.visit.root}/logout")
                    with ui.element("button").classes("sign-out").props('type="submit"').mark("sign-out"):
                        text("Sign out")

    def _who(self) -> None:
        identity = self.visit.signed.identity
        where = f"{acting('', identity.actor_kind)} of {identity.tenant_slug}"
        with sheet(identity.actor_name, where) as (dialog, body, foot):
            with body:
                quiet(f"Key {self.visit.signed.hint}…", "mono")
                quiet("May do:")
                with box("tags"):
                    for scope in identity.scopes:
                        text(scope, "tag kind")
            with foot:
                button("Close").on_click(dialog.close)
        dialog.open()


def _press(pressed: Callable[[], None] | None, classes: str) -> ui.element:
    """A button of the header: an element of our own, so that it looks like the rest."""
    element = box(classes, "button").props('type="button"')
    return element.on("click", pressed) if pressed else element
