"""What the audit keeps of a change: every field that differs, and never a secret."""

from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field, SecretStr

from moothill.kernel.changes import REDACTED, changes_of


class Thing(BaseModel):
    """A thing with one secret that sounds harmless."""

    name: str = "a"
    size: int = 1
    version: int = 1
    phrase: str = Field("open sesame", json_schema_extra={"secret": True})
    hidden: SecretStr = SecretStr("hidden away")
    config: dict[str, Any] = {}


def test_only_what_differs_is_kept_and_bookkeeping_is_not() -> None:
    assert changes_of(Thing(), Thing(size=2, version=2)) == {"size": [1, 2]}
    assert changes_of(Thing(), Thing(version=9)) == {}


def test_new_and_gone_things_have_one_side() -> None:
    assert changes_of(None, {"name": "a"}) == {"name": [None, "a"]}
    assert changes_of({"name": "a"}, None) == {"name": ["a", None]}


def test_secrets_are_redacted_at_capture() -> None:
    """C25: marked fields, keys that sound like secrets, and those deep within."""
    before = Thing(config={"model": "x", "openai": {"api_key": "sk-live-1", "retries": [1, {"Password": "p"}]}})
    after = Thing(
        phrase="changed words",
        hidden=SecretStr("other"),
        config={"model": "y", "openai": {"api_key": "sk-live-2", "retries": [2, {"Password": "q"}]}},
    )
    found = changes_of(before, after)
    assert found["phrase"] == [REDACTED, REDACTED]
    text = orjson.dumps(found).decode()
    for secret in ("sesame", "changed words", "hidden away", "other", "sk-live", '"p"', '"q"'):
        assert secret not in text
    assert found["config"][1]["openai"] == {"api_key": REDACTED, "retries": [2, {"Password": REDACTED}]}


def test_a_long_value_is_there_by_its_digest() -> None:
    (_, kept) = changes_of(None, {"text": "x" * 100_000})["text"]
    assert kept["characters"] == 100_002
    assert len(kept["sha256"]) == 64


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)


@given(st.dictionaries(st.sampled_from(["name", "note", "api_key"]), json_values), json_values)
def test_a_change_is_told_exactly_where_there_is_one(before: dict[str, Any], value: Any) -> None:
    after = {**before, "note": value}
    found = changes_of(before, after)
    assert set(found) <= {"note"}
    assert ("note" in found) == (before.get("note") != value)
    assert changes_of(before, before) == {}
