"""A search hit: what it is, why it was found, and what whoever looks makes of it."""

from functools import partial
from uuid import UUID

from nicegui import ui

from ...registry.search.models import SearchHit
from ...registry.search.quality.models import Verdict
from ..act import remark
from ..visit import Visit
from .dialogs import button
from .text import box, chip, link, quiet, state, text, with_property
from .words import percent

__all__ = ["address_of", "show_hit"]

_VERDICTS: tuple[tuple[Verdict, str, str], ...] = (
    ("chosen", "o_thumb_up", "This is what was meant"),
    ("rejected", "o_thumb_down", "This is not what was meant"),
)


def address_of(visit: Visit, hit: SearchHit) -> str | None:
    """Where a hit leads to, if there is a screen for it."""
    if hit.kind == "agent":
        return visit.url(f"/agents/{hit.id}")
    if hit.kind == "capability" and hit.agent is not None:
        return visit.url(f"/agents/{hit.agent.id}", tab="capabilities")
    return None


def show_hit(visit: Visit, hit: SearchHit, best: float, session: UUID | None = None) -> None:
    """One hit; its bar shows its score beside the best one's. With the session, it takes feedback."""
    judged = session if session is not None and visit.may("search.feedback") else None
    address = address_of(visit, hit)
    with box("entry hit").mark("hit"):
        with box("grow"):
            with box("row-line"):
                if address:
                    opened = link(hit.title, address, "strong")
                    if judged is not None:
                        opened.on("click", partial(_say, visit, hit, judged, "clicked"))
                else:
                    text(hit.title, "strong")
                chip(hit.kind, "kind")
                if hit.status:
                    state(hit.status).classes("small")
                if hit.agent is not None and hit.kind != "agent":
                    link(f"of {hit.agent.name}", visit.url(f"/agents/{hit.agent.id}"), "small")
            if hit.snippet:
                quiet(hit.snippet, "wrap snippet")
            _why(hit)
        if judged is not None:
            _judge(visit, hit, judged)
        with box("score"):
            with box("meter"), box("track"):
                with_property(box("", "i"), "style", f"width: {100 * hit.score / best if best else 0:.0f}%")
            quiet(f"{hit.score:.4f}", "small mono")
            if hit.confidence is not None:
                quiet(f"{percent(hit.confidence)} sure", "small")


def _judge(visit: Visit, hit: SearchHit, session: UUID) -> None:
    with box("row-line judge"):
        for verdict, icon, words in _VERDICTS:
            made = button("", "ghost", icon).props("round").mark(verdict)
            made.props["aria-label"] = f"{words}: {hit.title}"
            with made:
                ui.tooltip(words)
            made.on_click(partial(_say, visit, hit, session, verdict, made))


async def _say(visit: Visit, hit: SearchHit, session: UUID, verdict: Verdict, pressed: ui.button | None = None) -> None:
    told = await remark(visit.moot.search.feedback, session=session, item=hit.id, verdict=verdict)
    if told is not None and pressed is not None and not pressed.is_deleted:
        pressed.classes("said")
        ui.notify("Noted; search is measured by it.", timeout=1200)


def _why(hit: SearchHit) -> None:
    why = hit.why
    with box("row-line wrapping small why").mark("why"):
        if why.text_rank is not None:
            quiet(f"Words: rank {why.text_rank}")
            for word in why.words:
                text(word, tag="mark")
        if why.vector_rank is not None:
            quiet(f"Meaning: rank {why.vector_rank}")
            if why.similarity is not None:
                quiet(f"similarity {why.similarity:.2f}")
        if why.through is not None:
            quiet(f"Through its {why.through.kind}")
            text(why.through.title, "tag")
        if hit.vector == "pending":
            with text("vector pending", "state warn"):
                ui.tooltip("Its newest text has no vector yet; it is found by words.")
