"""Is all well: the server's answer, the handlers of events, what was given up, what failed."""

from datetime import timedelta
from time import perf_counter

from ..theme import State
from ..visit import Visit
from .text import box, link, quiet, text
from .words import counted, span

__all__ = ["HealthList"]

SLOW_SECONDS, LATE_SECONDS = 0.5, 60.0


class HealthList:
    """One line for each thing that is looked at; a line leads to where it can be mended."""

    def __init__(self, visit: Visit) -> None:
        self.visit = visit

    async def build(self) -> None:
        """Make the elements."""
        self.element = box("list").mark("health")
        await self.renew()

    async def renew(self) -> None:
        """Look again."""
        lines = [await self._server()]
        if self.visit.may("events.handlers"):
            lines += await self._handlers()
        if self.visit.may("jobs.list"):
            lines.append(await self._jobs())
        if self.visit.may("jobs.schedules"):
            lines.append(await self._schedules())
        self.element.clear()
        with self.element:
            for kind, what, note, address in lines:
                with link("", address, "entry") if address else box("entry"):
                    text(what, f"state {kind} grow")
                    quiet(note, "small")

    async def _server(self) -> tuple[State, str, str, str | None]:
        begun = perf_counter()
        await self.visit.moot.keys.current()
        took = perf_counter() - begun
        return ("good" if took < SLOW_SECONDS else "warn"), "Server", f"answers in {took * 1000:.0f} ms", None

    async def _handlers(self) -> list[tuple[State, str, str, str | None]]:
        handlers = await self.visit.moot.events.handlers()
        dead = sum(handler.dead for handler in handlers)
        lag = max((handler.lag for handler in handlers), default=0.0)
        behind = f"{span(timedelta(seconds=lag))} behind" if lag >= 1 else "up to date"
        place = self.visit.url("/explorer", operation="events.dead_letters")
        return [
            ("good" if lag < LATE_SECONDS else "warn", "Event handlers", behind, None),
            ("bad" if dead else "good", "Dead letters", counted(dead, "event") if dead else "none", place),
        ]

    async def _jobs(self) -> tuple[State, str, str, str | None]:
        page = await self.visit.moot.jobs.list(state="failed", limit=20)
        failed = counted(len(page.items), "failed job") if page.items else "none failed"
        return ("warn" if page.items else "good"), "Jobs", failed, self.visit.url("/jobs", state="failed")

    async def _schedules(self) -> tuple[State, str, str, str | None]:
        schedules = await self.visit.moot.jobs.schedules()
        failed = [schedule for schedule in schedules if schedule.outcome == "failed"]
        note = counted(len(failed), "failed run") if failed else f"{len(schedules)} run by themselves"
        return ("bad" if failed else "good"), "Schedules", note, self.visit.url("/jobs", tab="schedules")
