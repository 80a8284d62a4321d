"""What is known of an agent: what it is, how it stands, how its status changed, its skills."""

from ...registry.agents import Agent
from ..visit import Visit
from .panels import empty, panel
from .raw import json_view
from .text import box, fact, link, outside, quiet, state, tags, text, time_ago
from .words import counted, moment, number, percent

__all__ = ["show_profile", "show_skills"]


async def show_profile(visit: Visit, agent: Agent) -> None:
    """Facts on the left, the history of its status on the right."""
    with box("columns two"):
        with box("stack"):
            _what_it_is(visit, agent)
            _standing(agent)
            if agent.config or agent.metadata:
                with panel("Configuration and metadata", flush=True):
                    json_view({"config": agent.config, "metadata": agent.metadata}, f"{agent.agent_id}-config.json")
        await _status_history(visit, agent)


def _what_it_is(visit: Visit, agent: Agent) -> None:
    with panel("What it is"):
        if agent.description:
            text(agent.description, "wrap", "div")
        with box("facts"):
            fact("Key", agent.agent_id).classes("mono")
            fact("Id", agent.id).classes("mono")
            with fact("Type"):
                link(agent.type.replace("-", " "), visit.url("/agents", type=agent.type))
            with fact("Model"):
                link(agent.model_family, visit.url("/agents", model_family=agent.model_family))
                quiet(f" {agent.model_version}")
            if agent.provider:
                fact("Provider", agent.provider)
            with fact("Address"):
                outside(agent.url)
            with fact("Specialises in"):
                tags(agent.specialisations)
            with fact("Tags"):
                tags(agent.tags)
            with fact("Registered"):
                time_ago(agent.registered_at)
                quiet(f" from a catalogue ({agent.source_format})" if agent.source_format else "")


def _standing(agent: Agent) -> None:
    with panel("How it stands"), box("facts"):
        load = f"{percent(agent.utilisation)}, {agent.active_tasks} at work, {agent.queued_tasks} waiting"
        fact("Load", load)
        with fact("Last heartbeat"):
            time_ago(agent.last_heartbeat_at)
        with fact("Last active"):
            time_ago(agent.last_active_at)
        done = f"{number(agent.tasks_completed)} completed, {number(agent.tasks_failed)} failed"
        fact("Tasks", f"{done} of {number(agent.tasks_attempted)} begun")
        fact("Success", percent(agent.success_rate))
        fact("Quality", percent(agent.average_quality))
        fact("Rating", f"{agent.rating:.0f}")
        fact("Trust", percent(agent.trust))
        fact("Tier", f"{agent.tier}, {counted(agent.total_points, 'point')}")
        fact("Streak", f"{counted(agent.consecutive_active_days, 'day')} of {number(agent.total_active_days)}")


async def _status_history(visit: Visit, agent: Agent) -> None:
    page = await visit.moot.agents.status_history(agent=str(agent.id), limit=20)
    with panel("Status", flush=True), box("list"):
        for change in page.items:
            with box("entry tall"):
                state(change.new_status).classes("narrow")
                with box("grow"):
                    text(change.reason or "no reason given", "wrap" if change.reason else "faint", "div")
                    quiet(f"by {change.actor_name or change.operation}, from {change.old_status}", "small")
                time_ago(change.changed_at, "late")
        with box("entry tall"):
            text("registered", "state off narrow")
            quiet(moment(agent.registered_at), "grow")
        if page.next:
            with box("entry"):
                link("The whole history is among its events", visit.url("/events", subject=agent.id))


async def show_skills(visit: Visit, agent: Agent) -> None:
    """Skills, the best first."""
    page = await visit.moot.agents.skills(agent=str(agent.id), limit=200)
    with panel(flush=True):
        if not page.items:
            empty("No skills are known of it", "agents.set_skill gives it one.", "o_school")
            return
        with box("list").mark("skills"):
            for skill in sorted(page.items, key=lambda skill: (-skill.proficiency, skill.name)):
                with box("entry centred"):
                    text(skill.name, "grow clip")
                    with box("steps"):
                        for step in range(1, 11):
                            box("on" if step <= skill.proficiency else "", "i")
                    text(f"{skill.proficiency} of 10" + (", expert" if skill.proficiency >= 8 else ""), "skill-words")
                    quiet(f"{number(skill.experience_points)} experience", "small skill-words")
                    time_ago(skill.last_practised_at, "late")
