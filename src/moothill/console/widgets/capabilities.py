"""Capabilities of an agent: how surely, and what shows it."""

import asyncio
from functools import partial

from ...registry.agents import Agent
from ...registry.capabilities.models import Capability, CapabilityFilter, Evidence
from ..act import Act, act
from ..visit import Visit
from .dialogs import button
from .evidence import mark_mention
from .guarded import guarded
from .panels import empty, panel
from .text import box, chip, quiet, state, tags, text, time_ago, title
from .words import counted, number, percent

__all__ = ["show_capabilities"]

MOST_EVIDENCE, OPEN_AT_FIRST = 20, 8


async def show_capabilities(visit: Visit, agent: Agent) -> None:
    """The capabilities, surest first; each opens to its evidence."""
    wanted = CapabilityFilter(agent=str(agent.id))
    page = await visit.moot.capabilities.list(filter=wanted, order="confidence", limit=100)
    if not page.items:
        with panel():
            empty("No capabilities are known of it", "capabilities.add says what an agent can do.", "o_extension_off")
        return
    cards = [_Card(visit, agent, capability) for capability in page.items]
    for card in cards:
        card.build()
    # At once: one after the other would be as many round trips.
    await asyncio.gather(*(card.turn() for card in cards[:OPEN_AT_FIRST]))
    if page.next:
        quiet("There are more; capabilities.list pages through them.")


class _Card:
    """One capability; its evidence is fetched when it is opened."""

    def __init__(self, visit: Visit, agent: Agent, capability: Capability) -> None:
        self.visit = visit
        self.agent = agent
        self.capability = capability
        self.is_filled = False

    def build(self) -> None:
        """Make the elements."""
        able = self.capability
        with box("panel").mark("capability"), box("panel-body"):
            with box("row-line wide loose"):
                with box("grow"):
                    title(able.name)
                    if able.description:
                        quiet(able.description, "wrap")
                state(able.validation_status)
                with box("figure-pair"):
                    text(percent(able.confidence), "strong")
                    quiet("confidence", "small")
                with box("figure-pair"):
                    text(percent(able.success_rate) or "none", "strong")
                    quiet(f"of {counted(able.demonstration_count, 'demonstration')}", "small")
            with box("row-line wide wrapping"):
                chip(able.type.lower().replace("_", " "), "kind")
                tags([*able.aliases, *able.tags]) if able.aliases or able.tags else None
                box("grow")
                self._actions()
            self.evidence = box("stack close")
            self.evidence.set_visibility(False)

    def _actions(self) -> None:
        button("Evidence", "ghost", "o_format_quote").on_click(self.turn).mark("evidence")
        if self.visit.may("capabilities.validate"):
            if self.capability.validation_status != "validated":
                button("Validate", "ghost", "o_verified").on_click(partial(self._judge, "validate")).mark("validate")
            if self.capability.validation_status != "rejected":
                button("Reject", "ghost", "o_thumb_down").on_click(partial(self._judge, "reject")).mark("reject")

    async def turn(self) -> None:
        """Show or hide what shows it."""
        self.evidence.set_visibility(not self.evidence.visible)
        if not self.is_filled:
            self.is_filled = True
            with self.evidence:
                await guarded(self.visit, self._fill)

    async def _fill(self) -> None:
        page = await self.visit.moot.capabilities.evidence(capability=str(self.capability.id), limit=MOST_EVIDENCE)
        with self.evidence:
            for evidence in page.items:
                show_evidence(evidence)
            if not page.items:
                quiet("Nothing shows it yet: it was only declared.")

    async def _judge(self, verb: str) -> None:
        operations = self.visit.moot.capabilities
        bound = operations.validate if verb == "validate" else operations.reject
        ask = Act(
            f"{verb.capitalize()} “{self.capability.name}”", verb.capitalize(), "The judgement counts from now on."
        )
        if await act(self.visit, ask, bound, capability=str(self.capability.id)) is not None:
            self.visit.go(self.visit.url(f"/agents/{self.agent.id}", tab="capabilities"))


def show_evidence(evidence: Evidence) -> None:
    """One place in a text, with the mention marked."""
    marked = mark_mention(evidence.sentence, evidence.mention, evidence.start_position, evidence.end_position)
    with box("evidence").mark("evidence-sentence"):
        with box("wrap"):
            text(marked.before)
            text(marked.mention, tag="mark")
            text(marked.after)
            if not marked.mention:
                text(evidence.mention, tag="mark")
        with box("row-line wrapping small"):
            place = str(evidence.chunk_type)
            if evidence.start_position is not None and evidence.end_position is not None:
                place += f", characters {number(evidence.start_position)} to {number(evidence.end_position)}"
            quiet(f"{place} · by {evidence.method} · {percent(evidence.confidence)} sure ·")
            time_ago(evidence.created_at, "quiet")
