"""Encryption for people: the data keys, how the values of each field are stored, and the changes that can be made."""

from datetime import timedelta
from functools import partial
from typing import Any, Literal

from ...tenancy.encryption.models import EncryptionStatus, FieldStatus, KeyRow
from ...worker.jobs.models import JobDetail
from ..act import Act, act
from ..visit import Visit
from .dialogs import button
from .grid import Column
from .text import box, fact, link, quiet, state, text, time_ago
from .words import ago, counted, now, number

__all__ = ["FIELDS", "KEYS", "actions", "field_row", "is_opening", "job_line", "key_row", "state_shown"]

Goal = Literal["enable", "rotate", "disable"]

KEYS = (
    Column("number", "Data key", "number", 90),
    Column("state", "State", "state", 120),
    Column("age", "Made", "quiet", 120),
    Column("kek", "Wrapped by", "mono", share=2, tip="kek"),
    Column("wrapped", "Wrapped", "quiet", 120),
    Column("ended", "Since then", "quiet", share=2),
)
FIELDS = (
    Column("field", "Field", "mono", share=2),
    Column("state", "State", "state", 120),
    Column("share", "Sealed by the active key", "meter", 180),
    Column("active", "By the active key", "number", 140),
    Column("other", "By another", "number", 110),
    Column("plain", "Open", "number", 100),
    Column("counted", "Counted", "quiet", 150),
)
# After that long, a key has sealed enough: what is lost with one is bounded.
OLD = timedelta(days=365)


def key_row(found: KeyRow) -> dict[str, Any]:
    """A row of `KEYS`."""
    ended = ""
    if found.shredded_at:
        ended = f"destroyed {ago(found.shredded_at)}"
    elif found.retired_at:
        ended = f"only opens, since {ago(found.retired_at)}"
    return {
        "id": str(found.number),
        "number": found.number,
        "state": found.state,
        "age": ago(found.created_at),
        "kek": found.kek,
        "wrapped": ago(found.wrapped_at),
        "ended": ended,
    }


def field_row(found: FieldStatus, *, enabled: bool) -> dict[str, Any]:
    """A row of `FIELDS`."""
    total = found.active + found.other + found.plain
    left = found.other + found.plain if enabled else found.active + found.other
    word = "empty" if not total else "under way" if left else "sealed" if enabled else "open"
    return {
        "id": found.field,
        "field": found.field,
        "state": word,
        "share": round(found.active / total, 4) if total else 0.0,
        "active": number(found.active),
        "other": number(found.other),
        "plain": number(found.plain),
        "counted": "all rows" if found.is_all else "5,000 of them",
    }


def is_opening(found: EncryptionStatus) -> bool:
    """Whether a tenant that does not encrypt has sealed values left, or keys that still open some."""
    return not found.enabled and any(key.state == "retired" for key in found.keys)


def state_shown(found: EncryptionStatus) -> None:
    """Whether it encrypts, and by what."""
    active = next((key for key in found.keys if key.state == "active"), None)
    with box("stack close").mark("encryption-state"):
        if found.enabled:
            state("sealed", "good")
            text("Content is sealed before it is stored.", "wrap")
        else:
            state("open", "off" if not is_opening(found) else "warn")
            words = "What was sealed is being opened, or could not be." if is_opening(found) else ""
            text(words or "Content lies open in the database, its backups and its logs.", "wrap")
        with box("facts"):
            if active is not None:
                fact("Data key", active.number)
                with fact("Made"):
                    time_ago(active.created_at)
                fact("Wrapped by", active.kek).classes("mono")
            fact("Key-encryption key here", found.newest_kek or "none, or it does not answer").classes("mono")
        if active is not None and now() - active.created_at > OLD:
            text("The data key is more than a year old: rotate it.", "note", "div").mark("old-key")
        if active is not None and found.newest_kek not in (None, active.kek):
            text("A newer key-encryption key is in use: encryption.rewrap moves the data keys to it.", "note", "div")
        if found.newest_kek is None:
            advice = "Set kek_file, keks or kms for the server; without one nothing can be sealed or opened."
            text(advice, "note", "div").mark("no-kek")


def job_line(visit: Visit, job: JobDetail) -> None:
    """A change that runs, or the last ones that ran."""
    with box("row-line wrapping"):
        state(job.state)
        link(job.operation, visit.url("/jobs", job=job.id), "mono")
        text(counted(job.done, "value") + " rewritten", "quiet")
        text(job.message, "quiet wrap grow")
        time_ago(job.ended_at or job.created_at, "quiet")


def actions(visit: Visit, found: EncryptionStatus) -> None:
    """What can be done now."""
    if not visit.may("encryption.enable"):
        quiet("Changing it needs the scope encryption:write.")
        return
    with box("row-line wrapping"):
        if found.enabled:
            button("Rotate the data key", "main", "o_autorenew").on_click(partial(_change, visit, "rotate")).mark(
                "rotate"
            )
            button("Seal what is left").on_click(partial(_change, visit, "enable")).mark("enable")
            button("Stop encrypting", icon="o_lock_open").on_click(partial(_change, visit, "disable")).mark("disable")
        else:
            button("Encrypt", "main", "o_lock").on_click(partial(_change, visit, "enable")).mark("enable")
            if is_opening(found):
                button("Go on opening").on_click(partial(_change, visit, "disable")).mark("disable")


_ASKED: dict[Goal, Act] = {
    "enable": Act(
        "Encrypt this tenant's content", "Encrypt it",
        "From the commit on, what is written is sealed; what is there is sealed step by step. Without its "
        "key-encryption key nobody reads it again: keep that one safe, apart from the database.",
        done="It is asked for; the job tells how far it is.",
    ),
    "rotate": Act(
        "Rotate the data key", "Rotate it",
        "From the commit on, what is written is sealed by a new key; what is there is sealed anew, step by step.",
        done="It is asked for; the job tells how far it is.",
    ),
    "disable": Act(
        "Stop encrypting", "Stop encrypting", done="It is asked for; the job tells how far it is.",
    ),
}  # fmt: skip


async def _change(visit: Visit, goal: Goal) -> None:
    there = visit.moot.encryption
    asked = {"enable": there.enable, "rotate": there.rotate, "disable": there.disable}
    if await act(visit, _ASKED[goal], asked[goal]) is not None:
        visit.renew()
