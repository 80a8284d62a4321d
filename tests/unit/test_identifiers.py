"""UUIDv7."""

from datetime import UTC, datetime, timedelta

from moothill.kernel.identifiers import uuid7, uuid7_floor, uuid7_time


def test_ids_rise_and_never_repeat() -> None:
    made = [uuid7() for _ in range(20_000)]
    assert made == sorted(made)
    assert len(set(made)) == len(made)


def test_version_and_variant_are_right() -> None:
    for identifier in (uuid7(), uuid7_floor(datetime.now(UTC))):
        assert identifier.version == 7
        assert identifier.variant == "specified in RFC 4122"


def test_an_id_tells_its_time() -> None:
    moment = datetime(2026, 11, 1, tzinfo=UTC)
    assert uuid7_time(uuid7_floor(moment)) == moment
    assert abs(uuid7_time(uuid7()) - datetime.now(UTC)) < timedelta(seconds=60)


def test_the_floor_of_a_moment_is_below_every_id_made_after_it() -> None:
    assert uuid7_floor(datetime.now(UTC) - timedelta(milliseconds=5)) < uuid7()
