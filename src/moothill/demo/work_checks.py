"""Whether the demo's tasks, achievements, mentorships and resources fit its agents."""

from collections.abc import Callable, Iterable, Mapping
from graphlib import CycleError, TopologicalSorter

from .agents import Agent
from .datafiles import refuse
from .work import Achievement, Curriculum, Mentorship, Pool, Task

__all__ = ["check_achievements", "check_mentorships", "check_pools", "check_tasks"]

Agents = Mapping[str, Agent]
_ENDED = ("completed", "failed", "cancelled", "archived")
_STARTED = ("in_progress", "waiting", "paused", "completed", "failed", "archived")
_HELD = ("assigned", "in_progress")


def check_tasks(tasks: tuple[Task, ...], agents: Agents) -> None:
    """Refuse the first task that names nobody, contradicts its state, or waits for itself."""
    by_key = {(task.tenant, task.key): task for task in tasks}
    if len(by_key) != len(tasks):
        refuse("tasks.toml", "task", "a key is used twice in a tenant")
    graph: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for task in tasks:
        _check_task(task, agents)
        needed = [(task.tenant, key) for key in task.depends_on]
        if missing := [key for key in needed if key not in by_key]:
            _refuse(task, f"it depends on {missing[0][1]}, which is not there")
        waits = any(by_key[key].status not in ("completed", "archived") for key in needed)
        if (task.status == "blocked") != (waits and task.status != "cancelled"):
            _refuse(task, f"status {task.status} does not fit the tasks it depends on")
        graph[task.tenant, task.key] = needed
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        refuse("tasks.toml", f"task {error.args[1][0][1]}", "it waits for itself")
    _check_load(tasks, agents)


def _refuse(task: Task, what: str) -> None:
    refuse("tasks.toml", f"task {task.key}", what)


def _check_task(task: Task, agents: Agents) -> None:
    for agent in (task.assigned_to, task.assigned_by):
        if agent is not None and f"{task.tenant}/{agent}" not in agents:
            _refuse(task, f"agent {agent} is not in tenant {task.tenant}")
    if task.status in (*_HELD, *_STARTED) and task.assigned_to is None:
        _refuse(task, f"status {task.status} needs an agent")
    if (task.started_minutes_ago is not None) != (task.status in _STARTED):
        _refuse(task, f"status {task.status} does not fit its start")
    if (task.ended_minutes_ago is not None) != (task.status in _ENDED):
        _refuse(task, f"status {task.status} does not fit its end")
    if (task.quality is not None) != (task.status in ("completed", "archived")):
        _refuse(task, f"status {task.status} does not fit its quality")
    if task.status in ("failed", "retry", "cancelled") and task.error is None:
        _refuse(task, f"status {task.status} needs a reason in error")
    times = [task.created_minutes_ago, task.started_minutes_ago, task.ended_minutes_ago]
    known = [time for time in times if time is not None]
    if known != sorted(known, reverse=True):
        _refuse(task, "created, started and ended are not in order")


def _check_load(tasks: tuple[Task, ...], agents: Agents) -> None:
    for path, agent in agents.items():
        held = [task for task in tasks if task.status in _HELD and f"{task.tenant}/{task.assigned_to}" == path]
        if len(held) > agent.active_tasks + agent.queued_tasks:
            _refuse(held[0], f"{agent.key} holds more tasks than its load says")


def check_achievements(achievements: tuple[Achievement, ...], agents: Agents) -> None:
    """Refuse the first achievement that nobody can have, or that an agent has without reaching it."""
    _unique("achievements.toml", "achievement", (achievement.key for achievement in achievements))
    measures: Mapping[str, Callable[[Agent], int]] = {
        "tasks_completed": lambda agent: agent.tasks_completed,
        "total_points": lambda agent: agent.total_points,
    }
    for achievement in achievements:
        for path in achievement.unlocked_by:
            thing = f"achievement {achievement.key}"
            if path not in agents:
                refuse("achievements.toml", thing, f"agent {path} is not there")
            measure = measures.get(achievement.requirement.measure)
            if measure and measure(agents[path]) < achievement.requirement.at_least:
                refuse("achievements.toml", thing, f"{path} has not reached it")


def check_mentorships(mentorships: tuple[Mentorship, ...], curriculum: tuple[Curriculum, ...], agents: Agents) -> None:
    """Refuse the first pair too close in level, of one agent, or the first lesson out of order."""
    _unique("mentorships.toml", "curriculum", (lesson.key for lesson in curriculum))
    levels = {lesson.key: lesson.level for lesson in curriculum}
    for lesson in curriculum:
        if any(levels.get(key, 6) >= lesson.level for key in lesson.prerequisites):
            refuse("mentorships.toml", f"curriculum {lesson.key}", "a prerequisite is missing or not below it")
    active: set[str] = set()
    for pair in mentorships:
        thing = f"mentorship {pair.mentor} and {pair.mentee}"
        paths = [f"{pair.tenant}/{pair.mentor}", f"{pair.tenant}/{pair.mentee}"]
        if paths[0] == paths[1] or any(path not in agents for path in paths):
            refuse("mentorships.toml", thing, "it needs two agents of the tenant")
        if pair.mentor_proficiency // 2 - pair.mentee_proficiency // 2 < 2:
            refuse("mentorships.toml", thing, "the mentor must be two levels above")
        proficiency = {skill.name: skill.proficiency for skill in agents[paths[0]].skills}
        if proficiency.get(pair.skill, 0) < pair.mentor_proficiency:
            refuse("mentorships.toml", thing, f"the mentor does not have {pair.skill} at that proficiency")
        if pair.sessions_completed > pair.sessions_planned:
            refuse("mentorships.toml", thing, "more sessions were completed than planned")
        if pair.status == "active" and paths[1] in active:
            refuse("mentorships.toml", thing, "the mentee has another mentor")
        active.add(paths[1])


def check_pools(pools: tuple[Pool, ...], agents: Agents) -> None:
    """Refuse the first pool that is given out beyond its capacity, or to somebody unknown."""
    _unique("resources.toml", "pool", (f"{pool.tenant}/{pool.resource}" for pool in pools))
    for pool in pools:
        thing = f"pool {pool.tenant}/{pool.resource}"
        if sum(allocation.amount for allocation in pool.allocations) > pool.capacity:
            refuse("resources.toml", thing, "more is given out than there is")
        for allocation in pool.allocations:
            if f"{pool.tenant}/{allocation.agent}" not in agents:
                refuse("resources.toml", thing, f"agent {allocation.agent} is not in the tenant")


def _unique(file: str, kind: str, keys: Iterable[str]) -> None:
    seen: set[str] = set()
    for key in keys:
        if key in seen:
            refuse(file, f"{kind} {key}", "it is listed twice")
        seen.add(key)
