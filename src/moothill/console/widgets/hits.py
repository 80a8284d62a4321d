"""A search hit: what it is, and why it was found."""

from nicegui import ui

from ...registry.search.models import SearchHit
from ..visit import Visit
from .text import box, chip, link, quiet, state, text, with_property
from .words import percent

__all__ = ["address_of", "show_hit"]


def address_of(visit: Visit, hit: SearchHit) -> str | None:
    """Where a hit leads to, if there is a screen for it."""
    if hit.kind == "agent":
        return visit.url(f"/agents/{hit.id}")
    if hit.kind == "capability" and hit.agent is not None:
        return visit.url(f"/agents/{hit.agent.id}", tab="capabilities")
    return None


def show_hit(visit: Visit, hit: SearchHit, best: float) -> None:
    """One hit; its bar shows its score beside the best one's."""
    address = address_of(visit, hit)
    with box("entry hit").mark("hit"):
        with box("grow"):
            with box("row-line"):
                if address:
                    link(hit.title, address, "strong")
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
        with box("score"):
            with box("meter"), box("track"):
                with_property(box("", "i"), "style", f"width: {100 * hit.score / best if best else 0:.0f}%")
            quiet(f"{hit.score:.4f}", "small mono")
            if hit.confidence is not None:
                quiet(f"{percent(hit.confidence)} sure", "small")


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
