"""Jobs: long work and how far it is; and what runs by itself on a schedule."""

from functools import partial
from typing import Any

from ...worker.jobs.models import JobDetail
from ...worker.jobs.rules import JobState
from ..act import Act, act
from ..screens import Query, Screen
from ..visit import Visit
from ..widgets.dialogs import button
from ..widgets.fields import choice
from ..widgets.fresh import keep_fresh
from ..widgets.grid import Column, grid, grid_foot, set_rows
from ..widgets.panels import empty, page_head, panel, tabs
from ..widgets.schedules import show_schedules
from ..widgets.text import box, fact, state, text, time_ago
from ..widgets.words import ago, counted, number

STATES: tuple[JobState, ...] = ("waiting", "running", "completed", "failed", "cancelled")

_JOBS = (
    Column("state", "State", "state", 130),
    Column("operation", "Operation", "mono", share=2),
    Column("progress", "Done", "number", 130),
    Column("message", "Last word", "quiet", share=4, tip="message"),
    Column("actor", "Asked by", share=2),
    Column("created", "Asked", "quiet", 110),
    Column("ended", "Ended", "quiet", 110),
)


async def build(visit: Visit, query: Query) -> None:
    """Long work, or the schedules."""
    tab = query.one_of("tab", "jobs", "schedules")
    with page_head("Jobs", "Long work runs step by step in the background; schedules run by themselves."):
        pass
    choices = [("jobs", "Long work", None)]
    if visit.may("jobs.schedules"):
        choices.append(("schedules", "Schedules", None))
    tabs(visit, "/jobs", tab, choices)
    await (show_schedules if tab == "schedules" and len(choices) > 1 else _jobs)(visit, query)


async def _jobs(visit: Visit, query: Query) -> None:
    wanted = next((word for word in STATES if word == query.get("state")), None)
    page = await visit.moot.jobs.list(state=wanted, limit=50, cursor=query.get("cursor"))
    chosen = next((job for job in page.items if str(job.id) == query.get("job")), None)
    with box("filters"):
        options = {"": "Any state"} | {str(word): word.capitalize() for word in STATES}
        choice("", options, wanted or "", lambda value: visit.go(visit.url("/jobs", state=value)))
    with box("columns side" if chosen else "stack"):
        with panel(flush=True):
            if not page.items:
                empty("No long work here", "Importing a catalogue or rebuilding an index shows up here.", "o_schedule")
                return
            table = grid(
                _JOBS,
                [_job_row(job) for job in page.items],
                chosen=lambda job: visit.go(visit.url("/jobs", state=wanted, job=job)),
            ).mark("jobs")
            following = visit.url("/jobs", state=wanted, cursor=page.next) if page.next else None
            grid_foot(counted(len(page.items), "job"), following, visit.url("/jobs") if query.get("cursor") else None)
        if chosen:
            _job_detail(visit, chosen)

    async def renew() -> None:
        fresh = await visit.moot.jobs.list(state=wanted, limit=50, cursor=query.get("cursor"))
        set_rows(table, _JOBS, [_job_row(job) for job in fresh.items])

    keep_fresh(visit, renew, "jobs.")


def _job_row(job: JobDetail) -> dict[str, Any]:
    return {
        "id": str(job.id),
        "state": job.state,
        "operation": job.operation,
        "progress": number(job.done) + (f" of {number(job.total)}" if job.total is not None else ""),
        "message": job.message,
        "actor": job.actor_name,
        "created": ago(job.created_at),
        "ended": ago(job.ended_at) if job.ended_at else "",
    }


def _job_detail(visit: Visit, job: JobDetail) -> None:
    with panel(job.operation), box("stack close").mark("job-detail"):
        state(job.state)
        text(job.message, "wrap")
        with box("facts"):
            fact("Asked by", job.actor_name)
            if job.reason:
                fact("Reason", job.reason)
            fact("Tries at this step", job.attempts)
            for name, then in (("Asked", job.created_at), ("Began", job.started_at), ("Ended", job.ended_at)):
                with fact(name):
                    time_ago(then)
            fact("Request", job.request).classes("mono")
        if job.state in ("waiting", "running") and visit.may("jobs.cancel"):
            button("Cancel", icon="o_block").on_click(partial(_cancel, visit, job)).mark("cancel-job")


async def _cancel(visit: Visit, job: JobDetail) -> None:
    ask = Act(f"Cancel {job.operation}", "Cancel it", "It ends with the step that it is at; what it has done stays.")
    if await act(visit, ask, visit.moot.jobs.cancel, job=job.id) is not None:
        visit.go(visit.url("/jobs", job=job.id))


SCREEN = Screen("/jobs", "Jobs", build, icon="o_pending_actions", section="Oversight", key="j", needs=("jobs.list",))
