"""Erasures for people: their reports, each checked against its signature where it is shown."""

from typing import Any

from ...kernel.errors import MoothillError
from ...tenancy.erasure.errors import ReportAltered
from ...tenancy.erasure.models import ReportSummary, SignedReport
from ...tenancy.erasure.reports import verify_report
from ..visit import Visit
from .dialogs import copy_button
from .grid import Column
from .panels import panel
from .text import box, fact, quiet, state
from .words import ago

__all__ = ["REPORTS", "report_row", "show_report"]

REPORTS = (
    Column("number", "Report", "number", 90),
    Column("kind", "What was erased", share=2),
    Column("signed", "Signed", "quiet", 120),
    Column("digest", "SHA-256", "mono", share=4),
)


def report_row(found: ReportSummary) -> dict[str, Any]:
    """A row of `REPORTS`."""
    signed = ago(found.signed_at)
    return {"id": str(found.number), "number": found.number, "kind": found.kind, "signed": signed} | {
        "digest": found.digest
    }


async def show_report(visit: Visit, number: int) -> None:
    """One report, checked with this server's key."""
    signed = await visit.moot.erasure.report(number=number)
    try:
        key = (await visit.moot.erasure.public_key()).public_key
    except MoothillError:
        key = None
    report_detail(signed, key)


def report_detail(signed: SignedReport, public_key: str | None) -> None:
    """A report of an erasure, checked here and now: by this server's key, where it has one."""
    said = signed.report
    try:
        verify_report(signed.model_dump(mode="json"), public_key=public_key)
        word, note = ("verified", "Signed by this server's key, and not altered since.")
        if public_key is None:
            word, note = ("unverified", "Not altered since it was signed; this server has no key to say by whom.")
    except ReportAltered as error:
        word, note = "broken", error.message
    with panel(f"Report {said.get('number')}"), box("stack close").mark("report-detail"):
        state(word)
        quiet(note, "wrap")
        with box("facts"):
            for name in ("kind", "tenant", "agent", "asked_by", "reason", "began_at", "ended_at"):
                if said.get(name) is not None:
                    fact(name.replace("_", " ").capitalize(), said[name])
            for name in ("removed", "kept", "destroyed"):
                counts = said.get(name) or {}
                fact(name.capitalize(), ", ".join(f"{part}: {size}" for part, size in counts.items()) or "nothing")
            if said.get("not_searched"):
                fact("Not searched", ", ".join(map(str, said["not_searched"])))
        with box("row-line wrapping"):
            copy_button(signed.model_dump_json(), "Copy the report")
        quiet("Check it elsewhere: moothill retention verify FILE, with the public key kept apart.", "small")
