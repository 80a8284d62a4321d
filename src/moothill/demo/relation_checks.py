"""Whether the demo's relationships, trust, votes, brainstorms and battles fit its agents."""

from collections.abc import Iterable, Mapping

from .agents import Agent
from .datafiles import refuse
from .relations import Ballot, Battle, Brainstorm, Relationship, Trust, Vote

__all__ = ["check_battles", "check_brainstorms", "check_edges", "check_votes"]

Agents = Mapping[str, Agent]


def check_edges(relationships: tuple[Relationship, ...], trust: tuple[Trust, ...], agents: Agents) -> None:
    """Refuse the first edge to oneself, to a stranger, listed twice, or undirected the wrong way round."""
    seen: set[tuple[str, ...]] = set()
    edges: list[tuple[Relationship | Trust, str]] = [(edge, edge.type) for edge in relationships]
    edges += [(edge, "trust") for edge in trust]
    for edge, kind in edges:
        thing = f"{kind} {edge.source} to {edge.target}"
        _members("relationships.toml", thing, edge.tenant, (edge.source, edge.target), agents)
        if (edge.tenant, edge.source, edge.target, kind) in seen:
            refuse("relationships.toml", thing, "it is listed twice")
        seen.add((edge.tenant, edge.source, edge.target, kind))
        if isinstance(edge, Relationship) and not edge.directional and edge.source > edge.target:
            refuse("relationships.toml", thing, "an undirected edge begins with the smaller key")


def check_votes(votes: tuple[Vote, ...], agents: Agents) -> None:
    """Refuse the first session whose ballots do not fit its method, options or voters."""
    for vote in votes:
        thing = f"vote {vote.key}"
        _members("votes.toml", thing, vote.tenant, [ballot.agent for ballot in vote.ballots], agents)
        _members("votes.toml", thing, vote.tenant, [vote.initiated_by], agents)
        if len(set(vote.options)) != len(vote.options):
            refuse("votes.toml", thing, "an option is listed twice")
        if (vote.status == "open") != (vote.deadline_in_minutes is not None):
            refuse("votes.toml", thing, f"status {vote.status} does not fit its deadline")
        if (vote.method == "quadratic") != (vote.tokens_per_agent is not None):
            refuse("votes.toml", thing, "tokens_per_agent belongs to quadratic votes")
        for ballot in vote.ballots:
            if fault := _ballot_fault(vote, ballot):
                refuse("votes.toml", thing, f"the ballot of {ballot.agent} {fault}")


def _ballot_fault(vote: Vote, ballot: Ballot) -> str:
    ranked, spent = vote.method == "ranked_choice", vote.method == "quadratic"
    if (bool(ballot.ranking), bool(ballot.tokens), ballot.choice is not None) != (
        ranked,
        spent,
        not (ranked or spent),
    ):
        return "does not fit the method"
    if (vote.method == "confidence_weighted") != (ballot.confidence is not None):
        return "has a confidence where none belongs, or none where one does"
    named = [*ballot.ranking, *ballot.tokens, *([ballot.choice] if ballot.choice else [])]
    if not set(named) <= set(vote.options) or len(set(named)) != len(named):
        return "names an option that is not there, or one twice"
    if sum(ballot.tokens.values()) > (vote.tokens_per_agent or 0):
        return "spends more tokens than it has"
    return ""


def check_brainstorms(brainstorms: tuple[Brainstorm, ...], agents: Agents) -> None:
    """Refuse the first session with strangers, unknown ideas, two votes of one agent or one for oneself."""
    for session in brainstorms:
        thing = f"brainstorm {session.key}"
        authors = {idea.key: idea.agent for idea in session.ideas}
        if len(authors) != len(session.ideas):
            refuse("brainstorms.toml", thing, "an idea is listed twice")
        everybody = {session.facilitator, *authors.values()}
        everybody |= {combination.agent for combination in session.combinations}
        everybody |= {vote.agent for vote in session.votes}
        _members("brainstorms.toml", thing, session.tenant, everybody, agents)
        named = {idea for combination in session.combinations for idea in combination.ideas}
        if unknown := (named | {vote.idea for vote in session.votes}) - authors.keys():
            refuse("brainstorms.toml", thing, f"idea {min(unknown)} is not there")
        if any(authors[vote.idea] == vote.agent for vote in session.votes):
            refuse("brainstorms.toml", thing, "an agent votes on its own idea")
        if len({(vote.agent, vote.idea) for vote in session.votes}) != len(session.votes):
            refuse("brainstorms.toml", thing, "an agent votes twice on an idea")


def check_battles(battles: tuple[Battle, ...], agents: Agents) -> None:
    """Refuse the first battle whose participants, ranks or start do not fit its mode and state."""
    for battle in battles:
        thing = f"battle {battle.key}"
        _members("battles.toml", thing, battle.tenant, [one.agent for one in battle.participants], agents)
        if (battle.started_minutes_ago is None) != (battle.status == "pending"):
            refuse("battles.toml", thing, f"status {battle.status} does not fit its start")
        duel = battle.mode in ("head_to_head", "speed_race", "quality_showdown")
        if duel and len(battle.participants) != 2:
            refuse("battles.toml", thing, f"{battle.mode} needs two participants")
        if (battle.mode == "team_tournament") != all(one.team for one in battle.participants):
            refuse("battles.toml", thing, "teams belong to a team tournament")
        if battle.status != "completed":
            if any(one.rank for one in battle.participants):
                refuse("battles.toml", thing, "ranks belong to a completed battle")
            continue
        for one in battle.participants:
            better = sum((other.score or 0) > (one.score or 0) for other in battle.participants)
            if one.score is None or one.rank != better + 1:
                refuse("battles.toml", thing, f"the rank of {one.agent} does not follow from the scores")


def _members(file: str, thing: str, tenant: str, keys: Iterable[str], agents: Agents) -> None:
    """Each key is an agent of the tenant, and, in a list, stands there once."""
    seen: set[str] = set()
    for key in keys:
        if f"{tenant}/{key}" not in agents:
            refuse(file, thing, f"agent {key} is not in tenant {tenant}")
        if key in seen:
            refuse(file, thing, f"agent {key} stands there twice")
        seen.add(key)
