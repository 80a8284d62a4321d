"""What runs by itself: when it ran last, how that went, when it runs next."""

from functools import partial
from typing import Any

from ...worker.jobs.models import ScheduleState
from ..act import Act, act
from ..screens import Query
from ..visit import Visit
from .dialogs import button
from .grid import Column, grid
from .panels import panel
from .text import box, quiet, state, text
from .words import ago, span

__all__ = ["show_schedules"]

_SCHEDULES = (
    Column("outcome", "Last run", "state", 130),
    Column("name", "Name", "mono", share=2),
    Column("every", "Every", "quiet", 100),
    Column("due", "Next", "quiet", 110),
    Column("ended", "Ended", "quiet", 110),
    Column("took", "Took", "number", 100),
    Column("runs", "Runs", "number", 90),
    Column("failures", "Failures", "number", 90),
    Column("message", "Last word", "quiet", share=3, tip="message"),
)


async def show_schedules(visit: Visit, query: Query) -> None:
    """All of them, and the chosen one beside them."""
    schedules = await visit.moot.jobs.schedules()
    chosen = next((schedule for schedule in schedules if schedule.name == query.get("schedule")), None)
    with box("columns side" if chosen else "stack"):
        with panel(flush=True):
            grid(
                _SCHEDULES,
                [_schedule_row(schedule) for schedule in schedules],
                chosen=lambda name: visit.go(visit.url("/jobs", tab="schedules", schedule=name)),
            ).mark("schedules")
        if chosen:
            _schedule_detail(visit, chosen)


def _schedule_row(schedule: ScheduleState) -> dict[str, Any]:
    return {
        "id": schedule.name,
        "outcome": "paused" if schedule.paused else schedule.outcome or "waiting",
        "name": schedule.name,
        "every": span(schedule.every),
        "due": "" if schedule.paused else ago(schedule.next_due_at),
        "ended": ago(schedule.ended_at),
        "took": f"{schedule.duration.total_seconds() * 1000:.0f} ms" if schedule.duration is not None else "",
        "runs": schedule.runs,
        "failures": schedule.failures,
        "message": schedule.message,
    }


def _schedule_detail(visit: Visit, schedule: ScheduleState) -> None:
    with panel(schedule.name), box("stack close").mark("schedule-detail"):
        state("paused" if schedule.paused else schedule.outcome or "waiting")
        text(schedule.message, "wrap")
        quiet("Runs once for each tenant." if schedule.per_tenant else "Runs once for all tenants.")
        if schedule.asked:
            quiet("Somebody asked for a run; it begins at the next turn.")
        with box("row-line"):
            if visit.may("jobs.run_now"):
                button("Run now").on_click(partial(_change, visit, schedule, "run")).mark("run-now")
            verb = "resume" if schedule.paused else "pause"
            if visit.may(f"jobs.{verb}"):
                button(verb.capitalize()).on_click(partial(_change, visit, schedule, verb)).mark(verb)


async def _change(visit: Visit, schedule: ScheduleState, verb: str) -> None:
    jobs = visit.moot.jobs
    bound, words = {
        "run": (jobs.run_now, "It runs at the next turn."),
        "pause": (jobs.pause, "It rests until somebody resumes it."),
        "resume": (jobs.resume, "It runs again by itself."),
    }[verb]
    ask = Act(f"{verb.capitalize()} {schedule.name}", verb.capitalize(), words)
    if await act(visit, ask, bound, schedule=schedule.name) is not None:
        visit.go(visit.url("/jobs", tab="schedules", schedule=schedule.name))
