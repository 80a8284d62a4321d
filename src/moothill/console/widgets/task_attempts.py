"""Who did what at a task: its attempts in order, each on the same stretch of time."""

from collections.abc import Sequence
from datetime import datetime

from ...work.tasks.models import Task, TaskAttempt
from ..visit import Visit
from .bars import clamped
from .tasks import look, words_of
from .text import box, link, quiet, text, time_ago, with_property
from .words import moment, now, short_id, span

__all__ = ["attempt_list", "stretch"]


def stretch(begins: datetime | None, ends: datetime | None, first: datetime, last: datetime) -> tuple[float, float]:
    """Where a span of time begins on a longer one, and how long it is there; both from 0 to 1."""
    whole = (last - first).total_seconds()
    if begins is None or whole <= 0:
        return 0.0, 0.0
    left = clamped((begins - first).total_seconds() / whole)
    right = clamped(((ends or last) - first).total_seconds() / whole)
    return left, max(0.0, right - left)


def attempt_list(visit: Visit, task: Task, attempts: Sequence[TaskAttempt]) -> None:
    """The attempts."""
    if not attempts:
        quiet("Nobody has tried it yet: it was handed out to nobody.", "padded-note")
        return
    last = task.ended_at or now()
    with box("list").mark("attempts"):
        for attempt in attempts:
            _attempt(visit, task, attempt, last)


def _attempt(visit: Visit, task: Task, attempt: TaskAttempt, last: datetime) -> None:
    with box("entry attempt").mark("attempt"), box("stack tight grow"):
        with box("row-line wrapping"):
            text(f"Attempt {attempt.attempt}", "strong")
            text(words_of(attempt.outcome), f"state {look(attempt.outcome)}")
            if attempt.agent_id is not None:
                link(attempt.agent or "an agent", visit.url(f"/agents/{attempt.agent_id}"))
            elif attempt.worker_id is not None:
                quiet(f"worker {short_id(attempt.worker_id)}", "mono small")
            box("grow")
            quiet(_took(attempt), "small")
            time_ago(attempt.ended_at or attempt.started_at or attempt.claimed_at, "quiet small")
        _track(task, attempt, last)
        if attempt.error:
            text(attempt.error, "note bad wrap")
        if attempt.note:
            text(attempt.note, "note wrap")


def _took(attempt: TaskAttempt) -> str:
    begun = attempt.started_at or attempt.claimed_at
    if begun is None:
        return ""
    if attempt.ended_at is None:
        return f"for {span(now() - begun)} so far"
    milliseconds = (attempt.ended_at - begun).total_seconds() * 1000
    return f"took {milliseconds:.0f} ms" if milliseconds < 1000 else f"took {span(attempt.ended_at - begun)}"


def _track(task: Task, attempt: TaskAttempt, last: datetime) -> None:
    """When it was held and worked at, between the task's beginning and its end, or now."""
    held = attempt.claimed_at or attempt.started_at
    words = f"handed out {moment(held)}, begun {moment(attempt.started_at)}, ended {moment(attempt.ended_at)}"
    with with_property(with_property(box("track-of-time"), "role", "img"), "aria-label", words) as track:
        with_property(track, "title", words)
        for begins, ends, kind in (
            (held, attempt.started_at or attempt.ended_at, "held"),
            (attempt.started_at, attempt.ended_at, look(attempt.outcome)),
        ):
            if begins is not None:
                left, wide = stretch(begins, ends, task.created_at, last)
                place = f"left: min({left * 100:.2f}%, calc(100% - 3px)); width: {wide * 100:.2f}%"
                box(f"span {kind}").style(place)
