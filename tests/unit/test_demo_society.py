"""The demo society: it loads, is big enough for every screen, and contradictions are refused."""

import re
from collections import Counter
from decimal import Decimal
from functools import cache
from typing import Literal, get_args, get_type_hints

import pytest

from moothill.demo import InvalidDemoData, Society, load_judged, load_society
from moothill.demo.agents import Agent, Evidence
from moothill.demo.datafiles import read_text
from moothill.demo.judged import JudgedQuery
from moothill.demo.society import FILES, build_society, judged_queries
from moothill.demo.work import Task

# In each file: what is changed, into what, and what is then said.
FAULTS = {
    "tenants.toml": [
        ('slug = "acme"', 'slug = "default"', "a slug is used twice"),
        ('slug = "acme"', 'slug = "globex"', "tenant acme is not there"),
        ("[[tenant]]", "[[tenants]]\n[[tenant]]", "tenants.toml: tenants: unknown array"),
        ("slug =", "slug", "tenants.toml: the file: it is not valid TOML"),
    ],
    "agents-acme.toml": [
        (
            'key = "foreman"',
            'key = "Fore man"',
            "agents-acme.toml: agent 1 (Fore man): key: String should match",
        ),
        ('key = "dispatcher"', 'key = "foreman"', "agent foreman: it is listed twice"),
        ("tier =", "tiers =", "agent 1 (foreman): tier: Field required"),
        ("proficiency = 9", "proficiency = 11", "skills.0.proficiency: Input should be"),
        (
            "confidence = 0.",
            "confidence = 0.0",
            "capabilities.0.confidence: Input should",
        ),
    ],
    "agents-default.toml": [
        ("tasks_failed = ", "tasks_failed = 9", "tasks_attempted is not the sum"),
        ("total_active_days = ", "total_active_days = 9", "days are not in order"),
        ('tier = "diamond"', 'tier = "gold"', "points make diamond, not gold"),
        ('status = "busy"', 'status = "idle"', "status idle does not fit"),
        ("utilisation = 0.9", "utilisation = 0.3", "does not fit a utilisation"),
        (
            "last_heartbeat_seconds_ago = ",
            "last_heartbeat_seconds_ago = 9999",
            "does not fit a heartbeat 9999",
        ),
        (
            'from_status = "active", to_status = "busy"',
            'from_status = "idle", to_status = "busy"',
            "status changes do not follow each other",
        ),
        (
            'from_status = "active", to_status = "busy"',
            'from_status = "active", to_status = "offline"',
            "the last status change does not lead to the status",
        ),
        (
            'from_status = "idle", to_status = "active", reason = "started',
            'from_status = "active", to_status = "active", reason = "started',
            "a status change changes nothing",
        ),
        (
            'name = "delegation"',
            'name = "project planning"',
            "a skill is listed twice",
        ),
        (
            'key = "project-risk-register"',
            'key = "weekly-status-reporting"',
            "capability weekly-status-reporting is listed twice",
        ),
        ("first_observed_days_ago = ", "first_observed_days_ago = 9", "not in order"),
        ("start = 9\n", "start = 8\n", "the mention does not stand at its position"),
        ('chunk = "', 'chunk = "my-', "chunk my-"),
    ],
    "tasks.toml": [
        ('key = "refund-endpoint"', 'key = "ledger-index"', "a key is used twice"),
        (
            'assigned_to = "alderman"',
            'assigned_to = "foreman"',
            "agent foreman is not in tenant",
        ),
        ('depends_on = ["portal-invoices"]', 'depends_on = ["x"]', "it depends on x, which"),
        (
            'depends_on = ["billing-rewrite-plan"]',
            'depends_on = ["refund-endpoint-review"]',
            "does not fit the tasks it depends on",
        ),
        ('assigned_to = "cartwright"\n', "", "status in_progress needs an agent"),
        ("started_minutes_ago = 7200\n", "", "status completed does not fit its start"),
        ("ended_minutes_ago = 6980\n", "", "status completed does not fit its end"),
        ("quality = 0.96\n", "", "status completed does not fit its quality"),
        (
            'error = "Withdrawn',
            'result = "Withdrawn',
            "status cancelled needs a reason in error",
        ),
        ("ended_minutes_ago = 6980", "ended_minutes_ago = 7299", "are not in order"),
        ('assigned_to = "fletcher"', 'assigned_to = "harrow"', "more tasks than its load says"),
    ],
    "achievements.toml": [
        (
            'key = "hundredfold"',
            'key = "first-furrow"',
            "first-furrow: it is listed twice",
        ),
        ('"default/juniper"', '"acme/juniper"', "agent acme/juniper is not there"),
        (
            '"default/cartwright"',
            '"default/juniper"',
            "default/juniper has not reached it",
        ),
    ],
    "relationships.toml": [
        ('target = "bellwether"', 'target = "alderman"', "alderman stands there twice"),
        (
            'target = "bellwether"',
            'target = "foreman"',
            "foreman is not in tenant default",
        ),
        ('target = "bellwether"', 'target = "cartwright"', "it is listed twice"),
        ('source = "alderman"', 'source = "zephyr"', "begins with the smaller key"),
    ],
    "votes.toml": [
        ('"litestar", "django"]', '"fastapi", "django"]', "an option is listed twice"),
        ('status = "open"', 'status = "closed"', "status closed does not fit its deadline"),
        ("tokens_per_agent = 100\n", "", "tokens_per_agent belongs to quadratic votes"),
        (
            'ranking = ["fastapi", "litestar"',
            'ranking = ["flask", "litestar"',
            "alderman names an",
        ),
        (
            'choice = "tonight", confidence = 0.80',
            'choice = "tonight"',
            "has a confidence where",
        ),
        ('choice = "tonight", ', "", "the ballot of bellwether does not fit the method"),
        ("speed = 9 }", "speed = 20 }", "the ballot of harrow spends more tokens than it has"),
        ('agent = "draper"', 'agent = "alderman"', "agent alderman stands there twice"),
    ],
    "brainstorms.toml": [
        (
            'key = "sleep-budget"',
            'key = "one-alarm-per-cause"',
            "an idea is listed twice",
        ),
        ('idea = "sleep-budget"', 'idea = "nap"', "idea nap is not there"),
        (
            'agent = "everard", idea',
            'agent = "bellwether", idea',
            "votes on its own idea",
        ),
        (
            'agent = "ironside", idea',
            'agent = "alderman", idea',
            "votes twice on an idea",
        ),
    ],
    "battles.toml": [
        ("started_minutes_ago = 8200\n", "", "status completed does not fit its start"),
        ('mode = "king_of_hill"', 'mode = "team_tournament"', "teams belong to a team"),
        (
            'mode = "team_tournament"',
            'mode = "speed_race"',
            "speed_race needs two participants",
        ),
        ('agent = "dispatcher" }', 'agent = "dispatcher", rank = 1 }', "ranks belong to a"),
        ("score = 6, rank = 2", "score = 6, rank = 1", "rank of sexton does not follow"),
    ],
    "mentorships.toml": [
        ('key = "sql-3"', 'key = "code-review-1"', "code-review-1: it is listed twice"),
        ('["code-review-2"]', '["code-review-3"]', "a prerequisite is missing or"),
        (
            'mentee = "cartwright"',
            'mentee = "draper"',
            "it needs two agents of the tenant",
        ),
        ("mentee_proficiency = 5", "mentee_proficiency = 8", "two levels above"),
        ('skill = "profiling"', 'skill = "poetry"', "the mentor does not have poetry"),
        ("sessions_completed = 12", "sessions_completed = 13", "more sessions were"),
    ],
    "resources.toml": [
        (
            'resource = "memory_gb"',
            'resource = "cpu_hours"',
            "cpu_hours: it is listed twice",
        ),
        ("amount = 900,", "amount = 9900,", "more is given out than there is"),
        ('agent = "wainwright"', 'agent = "hostler"', "agent hostler is not in the tenant"),
    ],
}

_society = cache(load_society)


@pytest.fixture(scope="module")
def society() -> Society:
    return _society()


@pytest.fixture(scope="module")
def judged() -> tuple[JudgedQuery, ...]:
    return load_judged()


def values(record: type[object], field: str) -> set[str]:
    """The words that a field of a record may hold."""
    hint = get_type_hints(record)[field]
    assert getattr(hint, "__origin__", None) is Literal
    return set(get_args(hint))


def refused(file: str, old: str, new: str) -> str:
    """The message when one place of one file is changed."""
    texts = {name: read_text(name) for name in FILES}
    assert old in texts[file], f"{file} does not hold {old!r}"
    texts[file] = texts[file].replace(old, new, 1)
    with pytest.raises(InvalidDemoData) as caught:
        build_society(texts)
    return caught.value.message


def test_two_tenants_share_forty_agents(society: Society) -> None:
    assert Counter(agent.tenant for agent in society.agents) == {"default": 26, "acme": 14}
    assert len(society.founding()) == 10
    assert sum(task.founding for task in society.tasks) == 10
    assert len(society.achievements) == 10


def test_every_kind_and_state_of_agent_and_task_is_shown(society: Society) -> None:
    assert {agent.type for agent in society.agents} == values(Agent, "type")
    assert {agent.status for agent in society.agents} == values(Agent, "status")
    assert {agent.tier for agent in society.agents} == values(Agent, "tier")
    assert {task.status for task in society.tasks} == values(Task, "status")
    assert {edge.type for edge in society.relationships} >= {"DERIVED_FROM", "REPLACES", "INFLUENCES"}


def test_the_founding_agents_have_various_tiers_and_types(society: Society) -> None:
    assert {agent.tier for agent in society.founding()} == values(Agent, "tier")
    assert {agent.type for agent in society.founding()} == values(Agent, "type")


def test_a_tenants_part_holds_nothing_of_the_other(society: Society) -> None:
    for tenant in ("default", "acme"):
        part = society.of(tenant)
        assert [one.slug for one in part.tenants] == [tenant]
        for items in (part.agents, part.tasks, part.relationships, part.trust, part.votes, part.pools):
            assert {item.tenant for item in items} == {tenant}
    assert len(society.of("default").agents) + len(society.of("acme").agents) == len(society.agents)


def test_an_unknown_tenant_has_no_part(society: Society) -> None:
    with pytest.raises(InvalidDemoData, match="tenant globex: it is not part of the demo society"):
        society.of("globex")


def test_the_tenants_share_a_key_and_words_on_purpose(society: Society) -> None:
    """A24: names are unique in a tenant, never over all."""
    keys = Counter(agent.key for agent in society.agents)
    assert [key for key, count in keys.items() if count > 1] == ["fletcher"]


def test_a_chunk_has_the_same_id_each_time_and_another_in_each_tenant(society: Society) -> None:
    evidence: Evidence = society.agents[0].capabilities[0].evidence[0]
    assert evidence.chunk_id("default") == _society().agents[0].capabilities[0].evidence[0].chunk_id("default")
    assert evidence.chunk_id("default") != evidence.chunk_id("acme")


def test_success_rates_stay_between_nought_and_one(society: Society) -> None:
    """B5, B6: a rate counts ended tasks, in decimals."""
    for agent in society.agents:
        assert Decimal("0.6") < agent.success_rate <= 1
    newcomer = society.agents[0]
    fields = {name: getattr(newcomer, name) for name in newcomer.__slots__}
    assert Agent(**{**fields, "tasks_completed": 0, "tasks_failed": 0}).success_rate == 1


def test_descriptions_give_search_something_to_find(society: Society) -> None:
    texts = [capability.description for agent in society.agents for capability in agent.capabilities]
    assert len(texts) == len(set(texts)) >= 150
    assert min(len(text.split()) for text in texts) >= 8


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [(file, *fault) for file, faults in FAULTS.items() for fault in faults],
)
def test_data_that_contradicts_itself_is_refused(file: str, old: str, new: str, message: str) -> None:
    said = refused(file, old, new)
    assert message in said
    assert re.match(r"[a-z-]+\.toml: ", said)


def test_tasks_that_wait_for_each_other_are_refused() -> None:
    needs = 'depends_on = ["sale-load-test"]'
    assert "it waits for itself" in refused("tasks.toml", needs, 'depends_on = ["sale-failover-drill"]')


def test_a_mentee_has_one_mentor_at_a_time() -> None:
    """B26: the limits of mentorship hold outside a process's memory."""
    pairs = read_text("mentorships.toml").split("[[mentorship]]")
    (pair,) = [f"[[mentorship]]{pair}" for pair in pairs if 'mentee = "juniper"' in pair]
    assert "the mentee has another mentor" in refused("mentorships.toml", pair, pair + pair)


def test_a_mention_is_listed_once_for_each_chunk() -> None:
    blocks = read_text("agents-default.toml").split("[[agent.capabilities.evidence]]")
    first = "[[agent.capabilities.evidence]]" + blocks[1].split("[[agent")[0]
    assert "a mention is listed twice" in refused("agents-default.toml", first, f"{first}\n{first}")


def test_a_missing_or_empty_file_is_refused() -> None:
    texts = {name: read_text(name) for name in FILES}
    with pytest.raises(InvalidDemoData, match=r"tasks.toml: task: the array is missing or empty"):
        build_society({**texts, "tasks.toml": ""})
    with pytest.raises(InvalidDemoData, match="task 1: it must be a table"):
        build_society({**texts, "tasks.toml": "task = [1]"})
    del texts["votes.toml"]
    with pytest.raises(InvalidDemoData, match=r"votes.toml: the file: it is missing"):
        build_society(texts)


def test_thirty_queries_are_judged_in_both_tenants(judged: tuple[JudgedQuery, ...]) -> None:
    assert len(judged) == 30
    assert {query.tenant for query in judged} == {"default", "acme"}
    words = " / ".join(query.text for query in judged)
    for text in ("send a message to a Slack channel", "manage a Kubernetes cluster", "control a browser"):
        assert text in words


def test_an_agent_is_as_relevant_as_its_best_capability(judged: tuple[JudgedQuery, ...]) -> None:
    query = next(query for query in judged if query.key == "kubernetes")
    assert query.capabilities["ironside/container-image-building"] == 1
    assert query.agents == {"ironside": 3}


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('key = "kubernetes"', 'key = "slack-message"', "query slack-message: it is listed twice"),
        ("fletcher/email-drafting", "fletcher/slack-channel-messaging", "a capability is judged twice"),
        ("fletcher/email-drafting", "herald/social-media-posting", "is not in tenant default"),
        ("grade = 3", "grade = 2", "nothing has grade 3"),
        ("grade = 3", "grade = 4", "relevant.0.grade: Input should be less than or equal to 3"),
    ],
)
def test_a_bad_judgement_is_refused(old: str, new: str, message: str, society: Society) -> None:
    text = read_text("judged.toml")
    assert old in text
    with pytest.raises(InvalidDemoData, match=re.escape(message)):
        judged_queries(text.replace(old, new, 1), society)
