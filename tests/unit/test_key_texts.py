"""Keys as texts: form, checksum, and finding them in what they leaked into."""

import io
import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moothill.doors.cli.commands import scan
from moothill.kernel import key_texts
from moothill.kernel.key_texts import EXPRESSION, find_secrets, hint, is_secret, is_whole, make_secret

RANDOM = st.binary(min_size=32, max_size=32)
ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
OLD = "moot_" + "aB3_-" * 8 + "xyz"


@given(RANDOM)
def test_a_key_has_the_documented_form_and_fits_its_checksum(random: bytes) -> None:
    secret = make_secret(random)
    assert re.fullmatch(EXPRESSION, secret)
    assert len(secret) == 54
    assert is_secret(secret)
    assert is_whole(secret)
    assert hint(secret) == secret[:11]


def test_a_key_loses_none_of_its_random_bits() -> None:
    """Every number of 256 bits has a key of its own."""
    assert 62**key_texts.DRAWN > 2**256
    assert math.log2(62**key_texts.CHECKED) > 32
    assert make_secret(b"\x00" * 32)[5:48] == "0" * 43
    assert make_secret(b"\xff" * 32) != make_secret(b"\xff" * 31 + b"\xfe")


@given(RANDOM, st.integers(5, 53), st.sampled_from(ALPHABET))
def test_one_wrong_character_is_noticed_without_asking_anybody(random: bytes, place: int, other: str) -> None:
    secret = make_secret(random)
    changed = secret[:place] + other + secret[place + 1 :]
    assert is_whole(changed) == (changed == secret)


def test_a_secret_takes_exactly_its_random_bytes() -> None:
    with pytest.raises(ValueError, match="32 random bytes, not 31"):
        make_secret(b"x" * 31)


def test_keys_without_a_checksum_go_on_working() -> None:
    assert is_secret(OLD)
    assert is_whole(OLD)
    assert not is_secret(OLD[:-1])
    assert not is_whole("moot_short")


@given(RANDOM, st.text(max_size=50), st.text(max_size=50))
def test_a_key_is_found_in_any_text_around_it(random: bytes, before: str, after: str) -> None:
    secret = make_secret(random)
    text = f"{before} '{secret}'\n{after}"
    assert secret in [found for _, found in find_secrets(text)]


@pytest.mark.parametrize("text", ["moot_" + "A" * 49, "moot_factory", "x" + OLD, OLD + "A", "moot_" + "A" * 60, ""])
def test_what_only_looks_alike_is_no_key(text: str) -> None:
    assert list(find_secrets(text)) == []


@given(
    st.lists(RANDOM, min_size=1, max_size=5),
    st.lists(st.sampled_from(["x", "\n", " ", "moot_", "abc=", "é"]), max_size=40),
    st.integers(65, 130),
)
def test_a_scan_by_pieces_finds_each_key_once_in_its_line(randoms: list[bytes], noise: list[str], size: int) -> None:
    filling = "".join(noise)
    secrets = [make_secret(each) for each in randoms]
    text = "".join(f"{filling}\n{secret}\n" for secret in secrets)
    expected = [(text[: match.start()].count("\n") + 1, match[0]) for match in re.finditer(EXPRESSION, text, re.ASCII)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scan, "_PIECE", size)
        assert list(scan.scan_file(io.BytesIO(text.encode("latin-1")))) == expected
