"""What stands around every screen: header, menu, banner, shortcuts; and the showing of screens in it."""

from collections.abc import Awaitable, Callable, Sequence
from urllib.parse import quote

from nicegui import PageArguments, ui

from ..kernel.errors import Internal
from .header import Header
from .palette import Palette
from .screens import Query, Screen, find_shortcut, offered
from .sheets import show_shortcuts
from .visit import Visit
from .widgets.guarded import guarded
from .widgets.panels import empty, trouble
from .widgets.text import box, link, text, with_property

__all__ = ["Frame"]


class Places(ui.sub_pages):
    """The screens of one tab; says in our words when there is none at an address."""

    def _render_404(self) -> None:
        with box("screen"):
            empty("There is nothing at this address.", "Choose a screen on the left.", "o_explore_off")

    def _render_error(self, _: Exception) -> None:
        trouble(Internal())


class Frame:
    """The frame of one open page."""

    def __init__(self, visit: Visit, screens: Sequence[Screen]) -> None:
        self.visit = visit
        self.screens = screens
        self.items: dict[str, ui.link] = {}

    def build(self) -> None:
        """Make the frame's elements and show the screen of the address."""
        visit = self.visit
        self.palette = Palette(visit, self.screens)
        self.header = Header(visit, self.palette.open, self._turn_menu)
        self.header.build()
        self._menu()
        if visit.view is not None:
            self._banner()
        with with_property(box("", "main"), "id", "main"):
            routes = {screen.path: self._shown(screen) for screen in self.screens}
            visit.renew = Places(routes, root_path=visit.base).refresh
        self._keys()

    # ------------------------------------------------------------ parts

    def _menu(self) -> None:
        self.drawer = ui.left_drawer(value=False, bordered=True).props("width=208 breakpoint=900 show-if-above")
        with self.drawer, box("menu", "nav").mark("menu"):
            section = ""
            for screen in offered(self.screens, self.visit):
                if screen.section != section:
                    section = screen.section
                    text(section, "section")
                with link("", self.visit.url(screen.path), "item") as item:
                    ui.icon(screen.icon)
                    text(screen.title)
                    if screen.key:
                        text(f"g {screen.key}", tag="kbd")
                self.items[screen.path] = item
            with box("foot"):
                text("Press ? for the keys.")

    def _turn_menu(self) -> None:
        self.drawer.toggle()

    def _banner(self) -> None:
        view = self.visit.view
        assert view is not None
        with box("banner").mark("banner"):
            ui.icon("o_visibility")
            with box("grow"):
                text("Viewing as ")
                text(view.name, tag="b")
                text(f". What you see and do is recorded under {view.name} and under your own name.", "quiet")
            ui.button("Stop viewing", color=None, on_click=self._stop_viewing).props(
                "unelevated no-caps dense"
            ).classes("plain").mark("stop-viewing")

    def _stop_viewing(self) -> None:
        view = self.visit.view
        if view is not None:
            self.visit.session.views.pop((view.tenant, view.agent), None)
            # Out of this tab's addresses, so the page is loaded anew.
            self.visit.client.open(f"/t/{quote(view.tenant, safe='')}/agents/{view.agent}")

    def _keys(self) -> None:
        ui.on("shortcut", lambda event: self._shortcut(str(event.args)))
        ui.on("visibility", lambda event: self.visit.hide(event.args is True))

    def _shortcut(self, name: str) -> None:
        if name == "palette":
            self.palette.open()
        elif name == "search":
            self.visit.go(self.visit.url("/search"))
        elif name == "pause":
            self.visit.pause(not self.visit.is_paused)
        elif name == "help":
            show_shortcuts(self.visit, self.screens)
        elif name.startswith("go "):
            screen = find_shortcut(offered(self.screens, self.visit), name[3:])
            if screen is not None:
                self.visit.go(self.visit.url(screen.path))

    # ------------------------------------------------------------ screens

    def _mark(self, screen: Screen) -> None:
        """Show in the menu where we are: at the screen itself, or at the one above it."""
        above = [path for path in self.items if screen.path.startswith(path)]
        here = max(above, key=len, default="")
        for path, item in self.items.items():
            item.classes(add="here") if path == here else item.classes(remove="here")

    def _shown(self, screen: Screen) -> Callable[[PageArguments], Awaitable[None]]:
        visit = self.visit

        async def show(arguments: PageArguments) -> None:
            visit.leave()
            visit.session.touch()
            self.header.renew()
            ui.page_title(f"{screen.title} · {visit.tenant} · Moothill")
            self._mark(screen)
            values = arguments.query_parameters
            query = Query(arguments.path_parameters, {name: values.getlist(name) for name in values})
            with box("screen loading") as place:
                await guarded(visit, lambda: screen.build(visit, query))
            place.classes(remove="loading")

        return show
