"""Connection strings: name, time limit and TLS on every connection."""

from datetime import timedelta

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from moothill.database.address import BadDsn, connection_string, unreachable
from moothill.database.sqlstate import ConnectionLost, RuleBroken, from_psycopg, translate
from moothill.kernel.settings import Settings

SETTINGS = Settings.load({})


def parts(dsn: str, settings: Settings = SETTINGS, **more: object) -> dict[str, object]:
    return dict(psycopg.conninfo.conninfo_to_dict(connection_string(dsn, settings, **more)))  # type: ignore[arg-type]


def test_every_connection_has_a_name_a_limit_and_tls() -> None:
    assert parts("postgresql://u@db.example/x") == {
        "host": "db.example",
        "user": "u",
        "dbname": "x",
        "application_name": "moothill",
        "connect_timeout": "10",
        "sslmode": "verify-full",
    }


def test_what_a_connection_is_for_stands_behind_the_name() -> None:
    named = Settings.load({}, application_name="x" * 60)
    assert parts("host=h", purpose="listener")["application_name"] == "moothill listener"
    assert parts("host=h", named, purpose="listener")["application_name"] == f"{'x' * 60} li"


def test_a_limit_is_a_second_at_least() -> None:
    assert parts("host=h", timeout=timedelta(milliseconds=10))["connect_timeout"] == "1"
    assert parts("host=h", timeout=timedelta(seconds=3))["connect_timeout"] == "3"


def test_another_database_of_the_same_server() -> None:
    assert parts("host=h dbname=a", database="b")["dbname"] == "b"


def test_a_chosen_sslmode_stays() -> None:
    assert parts("host=db.example sslmode=require")["sslmode"] == "require"
    assert parts("host=db.example", Settings.load({}, tls="disable"))["sslmode"] == "disable"


@given(st.text(max_size=60))
def test_no_text_breaks_it_or_is_repeated(text: str) -> None:
    try:
        connection_string(text, SETTINGS)
    except BadDsn as error:
        assert error.message == BadDsn().message


def test_the_cause_is_the_first_line() -> None:
    error = psycopg.OperationalError("connection failed: no route.\n\tIs the server running?")
    assert unreachable(error).message.startswith("The database does not answer: connection failed: no route. Check")


@pytest.mark.parametrize(
    ("error", "kind"),
    [(psycopg.OperationalError("gone"), ConnectionLost), (psycopg.DataError("NUL"), RuleBroken)],
)
def test_what_never_reached_the_server_has_a_meaning_too(error: psycopg.Error, kind: type[Exception]) -> None:
    assert type(translate(from_psycopg(error), "here")) is kind


def test_an_error_of_the_driver_itself_is_ours() -> None:
    assert translate(from_psycopg(psycopg.ProgrammingError("x")), "here").kind == "internal"
