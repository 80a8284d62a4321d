"""Arithmetic and states of agents and capabilities."""

from decimal import Decimal
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moothill.registry.agents import rules
from moothill.registry.agents.models import AgentStatus
from moothill.registry.capabilities import rules as capability_rules
from moothill.registry.capabilities.models import ValidationStatus

shares = st.decimals(min_value=0, max_value=1, places=4)
counts = st.integers(min_value=0, max_value=10**12)
statuses = st.sampled_from(get_args(AgentStatus))


def standing(**changes: object) -> rules.Standing:
    values: dict[str, object] = {
        "fit": Decimal("0.5"),
        "status": "idle",
        "utilisation": Decimal("0.2"),
        "active_tasks": 1,
        "queued_tasks": 0,
        "success_rate": Decimal("0.9"),
        "tasks_ended": 10,
        "trust": Decimal("0.5"),
    }
    return rules.Standing(**{**values, **changes})  # type: ignore[arg-type]


def total(**changes: object) -> Decimal:
    return rules.total(rules.score(standing(**changes)))


def test_every_status_is_declared_and_no_status_leads_to_itself() -> None:
    """B38: states are bounded, and so are the ways between them."""
    assert set(rules.TRANSITIONS) == set(get_args(AgentStatus))
    for status, targets in rules.TRANSITIONS.items():
        assert status not in targets
        assert set(targets) <= set(get_args(AgentStatus))


def test_a_suspended_agent_does_not_come_back_at_work() -> None:
    assert set(rules.TRANSITIONS["suspended"]) == {"idle", "offline", "maintenance"}
    assert "suspended" not in rules.origins("active")
    assert "suspended" in rules.origins("idle")


def test_the_weights_of_a_score_make_one() -> None:
    assert sum(rules.WEIGHTS.values()) == 1
    assert set(rules.WEIGHTS) == set(rules.score(standing()))


@given(shares, statuses, shares, counts, counts, shares, counts, shares)
def test_a_score_stays_between_nothing_and_one(
    fit: Decimal,
    status: str,
    utilisation: Decimal,
    active: int,
    queued: int,
    success: Decimal,
    ended: int,
    trust: Decimal,
) -> None:
    parts = rules.score(
        standing(
            fit=fit,
            status=status,
            utilisation=utilisation,
            active_tasks=active,
            queued_tasks=queued,
            success_rate=success,
            tasks_ended=ended,
            trust=trust,
        )
    )
    assert all(0 <= part <= 1 for part in parts.values())
    assert 0 <= rules.total(parts) <= 1


def test_each_part_of_a_score_pulls_in_its_direction() -> None:
    assert total(fit=Decimal("0.9")) > total()
    assert total(utilisation=Decimal("0.9")) < total()
    assert total(queued_tasks=1) < total()
    assert total(active_tasks=9) < total()
    assert total(success_rate=Decimal("0.1")) < total()
    assert total(trust=Decimal("0.9")) > total()
    assert total(status="active") < total()


def test_freedom_is_unused_capacity_halved_by_the_first_task_that_waits() -> None:
    assert rules.freedom(Decimal(0), 0, 0) == 1
    assert rules.freedom(Decimal("0.4"), 0, 0) == Decimal("0.6")
    assert rules.freedom(Decimal("0.4"), 0, 1) == Decimal("0.3")
    assert rules.freedom(Decimal(1), 0, 0) == 0
    assert rules.freedom(Decimal(0), 4, 0) == Decimal("0.5")


def test_one_lucky_task_proves_less_than_a_hundred() -> None:
    newcomer = rules.reliability(Decimal(1), 0)
    lucky = rules.reliability(Decimal(1), 1)
    proven = rules.reliability(Decimal("0.99"), 100)
    assert newcomer == Decimal("0.5") < lucky == Decimal("0.6667") < proven
    assert rules.reliability(Decimal(0), 1) == Decimal("0.3333")


def test_fit_is_relevance_times_confidence_with_proficiency_beside_it() -> None:
    assert rules.fit(None, Decimal(1), None) == 1
    assert rules.fit(Decimal("0.8"), Decimal("0.5"), None) == Decimal("0.4")
    assert rules.fit(None, Decimal(1), 7) == Decimal("0.7")
    assert rules.fit(Decimal(1), Decimal("0.9"), 7) == Decimal("0.8")


def test_relevance_never_reaches_that_of_the_very_name() -> None:
    assert rules.relevance(0.03, 0.03, 1.0) == Decimal("0.95")
    assert rules.relevance(0.03, 0.03, None) == Decimal("0.5")
    assert rules.relevance(0.03, 0.06, 0.4) == Decimal("0.45")
    assert rules.relevance(0.0, 0.0, -0.5) == 0


def test_what_is_merely_nearest_is_no_answer() -> None:
    assert rules.answers(1, None)
    assert rules.answers(0, 0.25)
    assert not rules.answers(0, 0.2)
    assert not rules.answers(0, None)


def test_a_key_is_made_from_the_words_of_a_name() -> None:
    assert rules.key_from_name("Ada Lovelace (the 1st)") == "ada-lovelace-the-1st"
    assert rules.key_from_name("審査 エージェント") == "審査-エージェント"
    assert rules.key_from_name("!!!") == ""
    assert len(rules.key_from_name("x" * 300)) == 100


def test_skills_are_compared_without_case_and_extra_spaces() -> None:
    assert rules.canonical_skill("  Risk\u00a0 MANAGEMENT ") == "risk management"


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("  Review\tof  Contracts ", "review of contracts"),
        ("ﬁle ﬆorage", "file storage"),
        ("\uff2bubernetes", "kubernetes"),
        ("straße", "straße"),
    ],
)
def test_a_canonical_name_is_normal_lower_and_single_spaced(name: str, form: str) -> None:
    """A5, A24: one form, made by the write path, unique for an agent and a tenant only."""
    assert capability_rules.canonical_name(name) == form


@given(st.text(min_size=1, max_size=80))
def test_a_canonical_name_is_its_own_canonical_name(name: str) -> None:
    try:
        form = capability_rules.canonical_name(name)
    except capability_rules.NameTooLong:
        return
    assert capability_rules.canonical_name(form) == form


def test_a_name_that_normalisation_makes_too_long_is_refused() -> None:
    with pytest.raises(capability_rules.NameTooLong):
        capability_rules.canonical_name("ﷺ" * 100)
    with pytest.raises(capability_rules.NameTooLong):
        capability_rules.canonical_name("   ")


def test_labels_hold_each_name_once() -> None:
    assert capability_rules.labels("Web Search", ["web  search", "Browsing", "browsing"], ["web", "web"]) == [
        ("name", "web search"),
        ("alias", "browsing"),
        ("tag", "web"),
    ]


def test_the_first_double_is_named() -> None:
    assert capability_rules.first_double(["a", "b", " A "]) == " A "
    assert capability_rules.first_double(["a", "b"]) is None


@pytest.mark.parametrize(
    ("text", "mention", "sentence"),
    [
        ("It reads. It writes tests! It sleeps.", "writes tests", "It writes tests!"),
        ("Only one sentence without an end", "one", "Only one sentence without an end"),
        ("First line\nsecond has it\nthird", "has", "second has it"),
        ("Version 2.5 reads. Next.", "2.5", "Version 2.5 reads."),
        ("One. Two three. Four.", "Two three. Four", "Two three. Four."),
        ("Ends here.", "Ends", "Ends here."),
    ],
)
def test_the_sentence_around_a_mention_is_whole(text: str, mention: str, sentence: str) -> None:
    start = text.index(mention)
    assert capability_rules.sentence_around(text, start, start + len(mention)) == sentence


@given(st.text(alphabet="ab. !\n", max_size=60), st.integers(0, 59), st.integers(1, 60))
def test_a_sentence_holds_what_it_is_around(text: str, start: int, length: int) -> None:
    start = min(start, len(text))
    end = min(start + length, len(text))
    assert text[start:end].strip() in capability_rules.sentence_around(text, start, end)


def test_what_was_judged_can_be_judged_anew_but_not_forgotten() -> None:
    assert set(capability_rules.TRANSITIONS) == set(get_args(ValidationStatus))
    assert capability_rules.origins("validated") == ["unvalidated", "rejected"]
    assert capability_rules.origins("rejected") == ["unvalidated", "validated"]
    assert capability_rules.origins("unvalidated") == []
