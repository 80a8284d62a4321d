"""Settings: every name of the described systems, and which source wins."""

from datetime import timedelta
from pathlib import Path

import pytest

from moothill.kernel.errors import Invalid
from moothill.kernel.settings import FOREIGN_NAMES, Settings, parse_duration, tls_mode


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
        ("postgresql://u@db.example/x?sslmode=require", None),
    ],
)
def test_tls_is_verified_off_loopback(address: str, mode: str | None) -> None:
    """A37: certificates are verified by default."""
    assert tls_mode(address, Settings.load({})) == mode


def test_tls_may_be_chosen() -> None:
    assert tls_mode("host=db", Settings.load({"DB_SSL": "false"})) == "disable"
