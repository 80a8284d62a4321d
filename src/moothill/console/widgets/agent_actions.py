"""What a person can do about an agent: view as it, change its status, deactivate it, bring it back."""

from functools import partial
from typing import get_args
from urllib.parse import quote

from ...registry.agents import Agent
from ...registry.agents.models import AgentStatus
from ..act import Act, act
from ..sessions import View
from ..visit import Visit
from .dialogs import answered, button, sheet
from .fields import choice

__all__ = ["agent_actions"]


def agent_actions(visit: Visit, agent: Agent) -> None:
    """The buttons, as far as the key covers them."""
    if agent.deactivated_at is None:
        if visit.may("agents.view_as") and visit.view is None:
            button("View as this agent", icon="o_visibility").on_click(partial(view_as, visit, agent)).mark("view-as")
        if visit.may("agents.set_status"):
            button("Set status").on_click(partial(set_status, visit, agent)).mark("set-status")
        if visit.may("agents.deactivate"):
            button("Deactivate").on_click(partial(_end, visit, agent)).mark("deactivate")
    elif visit.may("agents.reactivate"):
        button("Reactivate").on_click(partial(_bring_back, visit, agent)).mark("reactivate")


def _show(visit: Visit, agent: Agent) -> None:
    visit.go(visit.url(f"/agents/{agent.id}"))


async def view_as(visit: Visit, agent: Agent) -> None:
    """Begin to see with the agent's eyes; the event of it carries the reason."""
    ask = Act(
        f"View as {agent.name}",
        "View as it",
        f"You see and may do what {agent.name} may. The beginning and all you do is recorded under both names.",
        rows=0,
        done=f"Viewing as {agent.name}.",
    )
    seen = await act(visit, ask, visit.moot.agents.view_as, agent=str(agent.id))
    if seen is not None:
        eyes = visit.base_moot.view_as(str(seen.id), begun=True)
        visit.session.views[visit.tenant, seen.id] = View(visit.tenant, seen.id, seen.name, eyes)
        visit.client.open(f"/t/{quote(visit.tenant, safe='')}/as/{seen.id}/agents/{seen.id}")


async def set_status(visit: Visit, agent: Agent) -> None:
    """Choose the status, then confirm with the reason, which is kept with the status too."""
    with visit.client:
        with sheet(f"Status of {agent.name}", f"It is {agent.status}.") as (dialog, body, foot):
            with body:
                words = {word: word.capitalize() for word in get_args(AgentStatus) if word != agent.status}
                chosen = choice("From now on", words, next(iter(words))).mark("new-status")
            with foot:
                button("Cancel").on_click(dialog.close)
                button("Go on", "main").on_click(lambda: dialog.submit(True)).mark("go-on")
        going = await answered(dialog)
        status = chosen.value
    if not going:
        return
    ask = Act(f"Make {agent.name} {status}", "Set status", f"{agent.name} is {agent.status} and becomes {status}.")
    if await act(visit, ask, visit.moot.agents.set_status, agent=str(agent.id), status=status) is not None:
        _show(visit, agent)


async def _end(visit: Visit, agent: Agent) -> None:
    ask = Act(f"Deactivate {agent.name}", "Deactivate it", done=f"{agent.name} is deactivated.")
    if await act(visit, ask, visit.moot.agents.deactivate, agent=str(agent.id)) is not None:
        _show(visit, agent)


async def _bring_back(visit: Visit, agent: Agent) -> None:
    ask = Act(f"Reactivate {agent.name}", "Bring it back", "It is found and chosen again.")
    if await act(visit, ask, visit.moot.agents.reactivate, agent=str(agent.id)) is not None:
        _show(visit, agent)
