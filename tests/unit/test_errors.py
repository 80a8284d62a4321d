"""The error tree and its one table."""

import pickle  # noqa: TID251  # errors must pickle for process pools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moothill.kernel import errors
from moothill.kernel.errors import KINDS, Conflict, MoothillError, NotFound, from_problem, near_match


class TeapotShort(Conflict):
    """The teapot is short; take the stout one."""


@pytest.mark.parametrize("code", errors.all_errors())
def test_every_error_survives_pickling_and_the_wire(code: str) -> None:
    error = errors.all_errors()[code](None, field="x", count=3)
    for copy in (pickle.loads(pickle.dumps(error)), from_problem(error.to_problem())):  # noqa: S301
        assert type(copy) is type(error)
        assert copy.message == error.message
        assert copy.context == {"field": "x", "count": 3}
        assert copy.count == 3


@pytest.mark.parametrize("code", errors.all_errors())
def test_every_error_belongs_to_a_kind_and_says_something(code: str) -> None:
    error = errors.all_errors()[code]()
    assert error.kind in KINDS
    assert len(error.message) > 10
    problem = error.to_problem(instance="urn:x")
    assert problem["status"] == error.status
    assert problem["retryable"] == error.retryable
    assert problem["instance"] == "urn:x"
    assert error.exit_code == KINDS[error.kind].exit_code


def test_the_docstring_is_the_default_message() -> None:
    assert TeapotShort().message == "The teapot is short; take the stout one."
    assert TeapotShort("other").message == "other"
    assert TeapotShort.code == "teapot_short"


def test_an_unknown_code_of_a_newer_server_becomes_its_kind() -> None:
    rebuilt = from_problem({"code": "invented_later", "kind": "not_found", "detail": "gone", "context": {"a": 1}})
    assert type(rebuilt) is NotFound
    assert (rebuilt.message, rebuilt.a) == ("gone", 1)
    assert from_problem({"kind": "nonsense"}).kind == "internal"
    assert from_problem({"context": "not a mapping"}).context == {}


def test_missing_context_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError):
        _ = Conflict().nothing


def test_exit_codes_are_told_apart() -> None:
    codes = [kind.exit_code for kind in KINDS.values()]
    assert len(codes) == len(set(codes))
    assert 0 not in codes


def test_a_near_match_is_offered() -> None:
    assert near_match("agents.gett", ["agents.get", "keys.list"]) == ' Did you mean "agents.get"?'
    assert near_match("zzz", ["agents.get"]) == ""


@given(st.text(max_size=300))
def test_a_near_match_takes_any_text(text: str) -> None:
    assert isinstance(near_match(text, ["agents.get"]), str)


@given(st.dictionaries(st.text(max_size=20), st.one_of(st.none(), st.integers(), st.text(max_size=20)), max_size=5))
def test_any_problem_document_rebuilds(document: dict[str, object]) -> None:
    assert isinstance(from_problem(document), MoothillError)


def test_two_errors_never_share_a_code_but_a_module_may_load_again() -> None:
    again = type("TeapotShort", (Conflict,), {"__module__": TeapotShort.__module__, "__doc__": TeapotShort.__doc__})
    assert errors.all_errors()["teapot_short"] is again
    errors.register(TeapotShort)
    with pytest.raises(TypeError, match=r"'teapot_short' is already that of .*TeapotShort"):
        type("Another", (NotFound,), {"code": "teapot_short"})
    with pytest.raises(TypeError, match="kind 'odd' is none of"):
        type("Odd", (MoothillError,), {"kind": "odd"})
