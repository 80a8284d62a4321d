"""What the audit keeps of a change: every field that differs, and never a secret."""

from typing import Any

import orjson
import pytest
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


class Inner(BaseModel):
    """A part with a secret of its own."""

    phrase: str = Field(json_schema_extra={"secret": True})


class Outer(BaseModel):
    """A thing with parts."""

    parts: list[Inner] = []
    hidden: SecretStr = SecretStr("a")
    number: int = 0


def test_models_within_are_looked_into() -> None:
    found = changes_of(Outer(), Outer(parts=[Inner(phrase="open sesame")], hidden=SecretStr("b"), number=2**70))
    assert found == {"hidden": [REDACTED, REDACTED], "number": [0, str(2**70)], "parts": [[], [{"phrase": REDACTED}]]}
    assert changes_of(None, {"parts": [Inner(phrase="open sesame")]}) == {"parts": [None, [{"phrase": REDACTED}]]}


@pytest.mark.parametrize(
    "value",
    [
        {"api-key": "hunter2"},
        {"X-API-Key": "hunter2"},
        {"private-key": "hunter2"},
        {"access_key": "hunter2"},
        {"pwd": "hunter2"},
        {"passkey": "hunter2"},
        {"auth": "Bearer hunter2hunter2"},
        {"Cookie": "hunter2"},
        {"pin": "hunter2"},
        {"dsn": "hunter2"},
        {"refresh_token": "hunter2"},
        [{"name": "OPENAI_API_KEY", "value": "hunter2"}],
        ["serve", "--api-key", "hunter2"],
        "postgres://user:hunter2@host/database",
        "use sk-hunter2hunter2 for it",
        "Authorization: Bearer hunter2hunter2",
        "-----BEGIN PRIVATE KEY-----\nhunter2\n-----END PRIVATE KEY-----",
        "moot_hunter2hunter2hunter2",
    ],
)
def test_secrets_are_found_by_name_place_and_form(value: Any) -> None:
    assert "hunter2" not in orjson.dumps(changes_of(None, {"config": value})).decode()


def test_what_only_sounds_like_a_secret_is_kept() -> None:
    value = {"max_tokens": 512, "tokenizer": "bpe", "tokens": 3, "pinned": True, "author": "Ada", "spindle": 1}
    assert changes_of(None, {"config": value}) == {"config": [None, value]}


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
