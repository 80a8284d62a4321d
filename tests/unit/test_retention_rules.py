"""The arithmetic of retention and the signatures of erasures, without a database."""

import base64
import hashlib
import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from moothill.tenancy.erasure import reports, verify_report
from moothill.tenancy.erasure.errors import ReportAltered
from moothill.tenancy.erasure.models import UnderWay
from moothill.tenancy.erasure.rules import body_of, words_of
from moothill.tenancy.retention import rules
from moothill.tenancy.retention.models import Action, ClassRow

KEY = Ed25519PrivateKey.from_private_bytes(b"k" * 32)
_WITHOUT_BREAKS = st.characters(exclude_characters="\n", exclude_categories=["Cs"])
LINES = st.lists(st.text(alphabet=_WITHOUT_BREAKS), max_size=20)


def row(**changed: Any) -> ClassRow:
    given: dict[str, Any] = {
        "name": "events",
        "relation": "events",
        "action": "delete",
        "days": 365,
        "is_own": False,
        "least_days": 30,
        "actions": ["delete", "archive", "retain"],
        "purpose": "The log.",
        "oldest": None,
        "overdue": None,
    }
    return ClassRow(**{**given, **changed})


def done(**changed: Any) -> UnderWay:
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    given: dict[str, Any] = {
        "id": UUID(int=1),
        "owner": UUID(int=2),
        "agent": UUID(int=3),
        "agent_key": "ada",
        "things": [UUID(int=3), UUID(int=4)],
        "kept": {},
        "counts": {"events": 3},
        "asked_by": "operator x",
        "reason": "y",
        "began_at": moment,
        "moment": moment,
        "last_number": None,
        "last_digest": None,
    }
    return UnderWay(**{**given, **changed})


@given(
    action=st.sampled_from(["delete", "archive", "retain"]),
    days=st.none() | st.integers(1, 36_500),
    least=st.integers(1, 400),
    allowed=st.sets(st.sampled_from(["delete", "archive", "retain"]), min_size=1),
)
def test_a_policy_is_allowed_exactly_within_the_bounds_of_its_class(
    action: Action, days: int | None, least: int, allowed: set[str]
) -> None:
    refused = rules.why_refused(row(least_days=least, actions=sorted(allowed)), action, days)
    fits = days is None if action == "retain" else days is not None and days >= least
    assert (refused == "") == (action in allowed and fits)


@given(LINES, st.integers(0, 20))
def test_a_digest_of_lines_is_the_same_however_they_come(lines: list[str], cut: int) -> None:
    whole, parts = rules.LineDigest(), rules.LineDigest()
    whole.add(lines)
    parts.add(lines[:cut])
    parts.add(lines[cut:])
    assert (whole.sha256, whole.rows) == (parts.sha256, parts.rows)
    assert whole.sha256 == hashlib.sha256("".join(f"{line}\n" for line in lines).encode()).hexdigest()


@given(LINES, LINES)
def test_different_rows_have_different_digests(one: list[str], other: list[str]) -> None:
    # No row of JSON is empty, which is what tells no row from one empty row.
    one, other = [f"{{{line}}}" for line in one], [f"{{{line}}}" for line in other]
    assert (rules.row_digest(one) == rules.row_digest(other)) == (one == other)


def test_a_report_is_verified_in_whatever_form_it_is_kept() -> None:
    document = reports.sign(body_of(done(), {"keys": 1}), KEY)
    parsed = json.loads(document)
    for form in (document, document.encode(), parsed, json.dumps(parsed, indent=3), json.dumps(parsed, sort_keys=True)):
        assert verify_report(form, public_key=reports.public_text(KEY))["removed"] == {"events": 3}
    # Canonical JSON: the bytes themselves are fixed, so that the digest in the next report is.
    assert list(parsed) == ["report", "signature"]
    second = reports.sign(body_of(done(last_number=1, last_digest=reports.digest_of(document)), {}), KEY)
    assert verify_report(second, previous=reports.digest_of(document))["number"] == 2
    with pytest.raises(ReportAltered):
        verify_report(second, previous="0" * 64)


@given(st.integers(0, 10_000), st.integers(1, 255))
def test_no_byte_of_a_report_can_be_changed(place: int, by: int) -> None:
    document = bytearray(reports.sign(body_of(done(), {}), KEY).encode())
    signed = verify_report(bytes(document))
    document[place % len(document)] ^= by
    try:
        told = verify_report(bytes(document))
    except ReportAltered:
        return
    # The last character of base64 has bits that say nothing.
    assert told == signed


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", '{"report": 1, "signature": {}}', "\xff", "1e999"])
def test_what_is_no_report_is_refused_as_such(text: str) -> None:
    with pytest.raises(ReportAltered):
        verify_report(text.encode("latin-1"))


def test_another_key_vouches_for_nothing() -> None:
    document = reports.sign(body_of(done(), {}), KEY)
    other = Ed25519PrivateKey.from_private_bytes(b"o" * 32)
    with pytest.raises(ReportAltered, match="another key"):
        verify_report(document, public_key=reports.public_text(other))
    forged = json.loads(document)
    forged["signature"]["public_key"] = reports.public_text(other)
    with pytest.raises(ReportAltered):
        verify_report(forged)


@given(st.text(min_size=1, max_size=30, alphabet=st.characters(exclude_categories=["Cs", "Cc"])))
def test_an_archived_row_is_found_by_an_agents_key_however_it_is_written(key: str) -> None:
    words = words_of(done(agent_key=key))
    line = f'{{"payload": {{"agent_id": {json.dumps(key, ensure_ascii=False)}}}}}'
    assert any(word in line for word in words)


def test_an_archived_row_is_found_by_ids_alone_where_no_key_is_known() -> None:
    thing = UUID(int=7)
    assert words_of(done(agent_key=None, things=[thing])) == [f'"{thing}"']


def test_a_new_key_is_one() -> None:
    assert len(base64.b64decode(reports.new_key())) == 32
    assert reports.new_key() != reports.new_key()
