"""The arithmetic of tasks: lanes, circles, pauses and where a task may go."""

from uuid import uuid4

from hypothesis import given
from hypothesis import strategies as st

from moothill.work.queues.rules import tokens_left
from moothill.work.tasks import rules
from moothill.work.tasks.models import PRIORITIES

EDGES = st.integers(2, 12).flatmap(
    lambda count: st.tuples(
        st.just(count),
        st.dictionaries(st.integers(0, count - 1), st.sets(st.integers(0, count - 1), max_size=4), max_size=count),
    )
)


@given(EDGES)
def test_a_circle_is_found_if_and_only_if_there_is_one(graph: tuple[int, dict[int, set[int]]]) -> None:
    """B26: the circle that is named is one, and without it everything can be put in order."""
    count, edges = graph
    circle = rules.cycle(edges, count)
    if circle:
        assert len(set(circle)) == len(circle)
        following = [*circle[1:], circle[0]]
        assert all(there in edges[here] for here, there in zip(circle, following, strict=True))
        return
    done: set[int] = set()
    while len(done) < count:
        ready = {each for each in range(count) if each not in done and edges.get(each, set()) <= done}
        assert ready, "nothing can begin, and yet no circle was found"
        done |= ready


def test_a_long_chain_is_no_circle_and_its_closing_is_one() -> None:
    """Without recursion, so that a hundred thousand tasks in a row are no deeper than two."""
    chain = {place: {place - 1} for place in range(1, 100_000)}
    assert rules.cycle(chain, 100_000) == []
    assert len(rules.cycle({**chain, 0: {99_999}}, 100_000)) == 100_000


@given(
    failures=st.integers(1, 500),
    chance=st.floats(0, 1),
    base=st.floats(0, 86_400),
    factor=st.floats(1, 10),
    most=st.floats(0, 604_800),
)
def test_a_pause_is_between_half_of_its_bound_and_its_bound(
    failures: int, chance: float, base: float, factor: float, most: float
) -> None:
    """However often something fails, nothing overflows and nobody waits for longer than was said."""
    pause = rules.backoff(failures, chance, base=base, factor=factor, most=most)
    bound = rules.backoff(failures, 1, base=base, factor=factor, most=most)
    assert bound / 2 <= pause <= bound <= most


def test_pauses_double_up_to_an_hour_by_default() -> None:
    """The published form: full exponential backoff with equal jitter."""
    assert [rules.backoff(failures, 1) for failures in (1, 2, 3, 10, 60)] == [5, 10, 20, 2560, 3600]


def test_a_lane_is_the_same_whatever_the_order_of_its_skills() -> None:
    """Who adds tasks needs not ask which lanes there are."""
    agent = uuid4()
    one = rules.lane_of("q", "g", {"a": 1, "b": 2}, "c", "worker", agent)
    assert one == rules.lane_of("q", "g", {"b": 2, "a": 1}, "c", "worker", agent)
    others = [
        rules.lane_of("q", ""),
        rules.lane_of("", "q"),
        rules.lane_of("q", "g", {"a": 1, "b": 3}, "c", "worker", agent),
        rules.lane_of("q", "g", {"a": 1, "b": 2}, None, "worker", agent),
        rules.lane_of("q", "g", {"a": 1, "b": 2}, "c", None, agent),
        rules.lane_of("q", "g", {"a": 1, "b": 2}, "c", "worker"),
    ]
    assert len({one, *others}) == len(others) + 1


def test_every_state_leads_somewhere_and_only_what_was_put_away_stays() -> None:
    """One declared machine: nothing leads out of it, and everything but the first state is led to."""
    states = set(rules.TRANSITIONS)
    assert {there for beyond in rules.TRANSITIONS.values() for there in beyond} <= states
    assert [state for state, beyond in rules.TRANSITIONS.items() if not beyond] == ["archived"]
    reached = {"pending"}
    while more := {there for here in reached for there in rules.TRANSITIONS[here]} - reached:
        reached |= more
    assert reached | {"scheduled"} == states
    assert set(rules.origins("in_progress")) == {"pending", "assigned"}


def test_critical_comes_first_and_waiting_makes_up_for_the_rest() -> None:
    """B8: critical is the first of the list; of the others, each is worth less than a day of waiting."""
    assert PRIORITIES == ("critical", "high", "normal", "low", "background")
    worth = [rules.WORTH[name] for name in PRIORITIES]
    assert worth == sorted(worth)
    assert max(worth).total_seconds() < 86_400
    assert rules.priority_number("critical") == 0


@given(tokens=st.floats(0, 1000), seconds=st.floats(0, 1e6), limit=st.integers(1, 1000), per=st.integers(1, 86_400))
def test_a_bucket_never_holds_more_than_its_limit(tokens: float, seconds: float, limit: int, per: int) -> None:
    """And it never loses anything by waiting."""
    left = tokens_left(min(tokens, limit), seconds, limit=limit, per_seconds=per)
    assert min(tokens, limit) <= left <= limit


def test_names_in_a_message_are_cut() -> None:
    """A message with a hundred thousand names would be none."""
    assert rules.shown(["a", "b"]) == "'a', 'b'"
    assert rules.shown([str(number) for number in range(100_000)]).endswith("and 99995 others")
