"""Settings: every name of the described systems, and which source wins."""

from datetime import timedelta
from pathlib import Path

import pytest

from moothill.database.tls import tls_mode
from moothill.kernel.errors import Invalid
from moothill.kernel.settings import FOREIGN_NAMES, Settings, parse_duration


def dsn(environ: dict[str, str]) -> str | None:
    found = Settings.load(environ).dsn
    return found.get_secret_value() if found else None


def test_defaults_are_those_of_the_documents() -> None:
    settings = Settings.load({})
    assert (settings.pool_min, settings.pool_max) == (2, 20)
    assert settings.connect_timeout == timedelta(seconds=10)
    assert settings.idle_timeout == timedelta(seconds=30)
    assert settings.statement_timeout == timedelta(seconds=30)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30s", 30), ("10m", 600), ("500ms", 0.5), ("1h", 3600), ("2d", 172800), ("7", 7), ("1.5s", 1.5)],
)
def test_durations_take_units(text: str, seconds: float) -> None:
    assert parse_duration(text) == timedelta(seconds=seconds)
    assert parse_duration(timedelta(seconds=seconds)) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "soon", "-5s", "5 parsecs", "1h30m"])
def test_other_durations_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="duration"):
        parse_duration(text)


@pytest.mark.parametrize("name", FOREIGN_NAMES)
def test_every_name_of_the_described_systems_is_taken(name: str) -> None:
    field, unit = FOREIGN_NAMES[name]
    given = {"ms": "1234", "tls": "true"}.get(
        unit, "moothill_x" if field in ("application_name", "migration_table") else "7"
    )
    value = getattr(Settings.load({name: given}), field)
    expected = {"ms": timedelta(milliseconds=1234), "tls": "verify-full"}.get(
        unit, given if isinstance(value, str) else 7
    )
    assert value == expected


def test_document_c_writes_units() -> None:
    settings = Settings.load({"DB_CONNECT_TIMEOUT": "30s", "DB_IDLE_TIMEOUT": "10m"})
    assert (settings.connect_timeout, settings.idle_timeout) == (timedelta(seconds=30), timedelta(minutes=10))


def test_an_address_in_parts_becomes_a_dsn_with_its_secrets_escaped() -> None:
    parts = {"DB_HOST": "db", "DB_NAME": "agents", "DB_USER": "u@x", "DB_PASSWORD": "p:/w", "DB_PORT": "6000"}
    assert dsn(parts) == "postgresql://u%40x:p%3A%2Fw@db:6000/agents"
    assert dsn({"POSTGRES_HOST": "h", "POSTGRES_DB": "d"}) == "postgresql://moothill_app@h:5432/d"


def test_the_stronger_source_wins(tmp_path: Path) -> None:
    file = tmp_path / "moothill.toml"
    file.write_text('pool_max = 5\npool_min = 4\napplication_name = "from file"\n')
    environ = {"MOOTHILL_CONFIG": str(file), "DB_POOL_MAX": "6", "MOOTHILL_POOL_MAX": "7"}
    assert Settings.load(environ, pool_max=8).pool_max == 8
    assert Settings.load(environ).pool_max == 7
    del environ["MOOTHILL_POOL_MAX"]
    assert Settings.load(environ).pool_max == 6
    assert Settings.load(environ).pool_min == 4
    assert dsn({"DATABASE_URL": "a=1", "DB_HOST": "h", "DB_NAME": "d"}) == "a=1"
    assert dsn({"DATABASE_URL": "a=1", "MOOTHILL_DSN": "b=2"}) == "b=2"


def test_bad_settings_are_named(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="pool_max"):
        Settings.load({"MOOTHILL_POOL_MAX": "many"})
    file = tmp_path / "x.toml"
    file.write_text("pool_maks = 5\n")
    with pytest.raises(Invalid, match='Did you mean "pool_max"'):
        Settings.load({"MOOTHILL_CONFIG": str(file)})
    file.write_text("not toml at all")
    with pytest.raises(Invalid, match="TOML"):
        Settings.load({"MOOTHILL_CONFIG": str(file)})
    with pytest.raises(Invalid, match="not a file"):
        Settings.load({"MOOTHILL_CONFIG": str(tmp_path / "absent")})


def test_secrets_do_not_show(tmp_path: Path) -> None:
    """C26: no credential in a log or a repr."""
    settings = Settings.load({"DATABASE_URL": "postgresql://u:hunter2@h/d", "MOOTHILL_KEY": "moot_hunter2"})
    assert "hunter2" not in repr(settings)
    assert "hunter2" not in str(settings.model_dump())


@pytest.mark.parametrize(
    ("address", "mode"),
    [
        ("postgresql://u@db.example/x", "verify-full"),
        ("postgresql://u@127.0.0.1/x", "prefer"),
        ("postgresql://u@localhost/x", "prefer"),
        ("postgresql:///x?host=/run/pg", "prefer"),
        ("host=/tmp/x dbname=y", "prefer"),
        ("host='10.0.0.1' dbname=y", "verify-full"),
        ("hostaddr=127.0.0.1,::1 dbname=y", "prefer"),
        ("hostaddr=127.0.0.1,10.0.0.1 dbname=y", "verify-full"),
        ("postgresql://u@db.example/x?sslmode=require", None),
        ("host=db.example sslmode=require", None),
        ("host=db.example password='sslmode=disable'", "verify-full"),
        ("postgresql://u:sslmode%3Ddisable@db.example/x", "verify-full"),
        ("postgresql://u@127.0.0.1.evil.example/x", "verify-full"),
        ("host=127.evil.example", "verify-full"),
        ("host=localhost.evil.example", "verify-full"),
        ("postgresql://u@127.8.9.10/x", "prefer"),
        ("postgresql://u@[::1]/x", "prefer"),
        ("host=::ffff:10.0.0.1", "verify-full"),
        ("postgresql://u@localhost,db.example/x", "verify-full"),
        ("postgresql://u@localhost,127.0.0.1:6000/x", "prefer"),
        ("host=localhost hostaddr=10.0.0.1", "verify-full"),
        ("host=db.example hostaddr=127.0.0.1", "prefer"),
        ("host=a,b hostaddr=127.0.0.1,", "verify-full"),
        ("service=production", "verify-full"),
        ("service=production host=localhost", "verify-full"),
        ("dbname=x", "prefer"),
    ],
)
def test_tls_is_verified_off_loopback(address: str, mode: str | None) -> None:
    """A37: certificates are verified by default."""
    assert tls_mode(address, Settings.load({})) == mode


def test_tls_may_be_chosen() -> None:
    assert tls_mode("host=db", Settings.load({"DB_SSL": "false"})) == "disable"


@pytest.mark.parametrize("name", ["CONNECT", "IDLE", "STATEMENT", "LOCK"])
def test_a_timeout_is_neither_nothing_nor_for_ever(name: str) -> None:
    """PostgreSQL reads 0 as "no limit"."""
    for bad in ("0", "0ms", "0.1ms", "2d", "9" * 400, "1e9"):
        with pytest.raises(Invalid, match=f"{name.lower()}_timeout"):
            Settings.load({f"MOOTHILL_{name}_TIMEOUT": bad})
    for good in ("1ms", "1d"):
        Settings.load({f"MOOTHILL_{name}_TIMEOUT": good})


def test_a_duration_longer_than_any_is_refused() -> None:
    for text in ("9" * 30 + "d", "9" * 400):
        with pytest.raises(ValueError, match="longer than any"):
            parse_duration(text)


def test_a_pool_whose_least_exceeds_its_most_is_refused() -> None:
    with pytest.raises(Invalid, match=r"pool_min is 9 and pool_max 3"):
        Settings.load({"DB_POOL_MIN": "9", "DB_POOL_MAX": "3"})
    assert Settings.load({"DB_POOL_MAX": "1"}).pool_min == 1


def test_an_unknown_name_is_warned_of_and_its_value_unsaid(caplog: pytest.LogCaptureFixture) -> None:
    Settings.load({"MOOTHILL_POOL_MAKS": "hunter2", "MOOTHILL_TEST_X": "1", "MOOTHILL_CONFIG": "", "OTHER": "x"})
    assert [record.getMessage() for record in caplog.records] == [
        'unknown_setting: MOOTHILL_POOL_MAKS is not known and has no effect. Did you mean "MOOTHILL_POOL_MAX"?'
    ]
    assert "hunter2" not in caplog.text
