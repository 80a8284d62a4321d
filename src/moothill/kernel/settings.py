"""Settings: what may be said from outside, and which source wins.

Precedence, strongest first: arguments and flags; `MOOTHILL_*`; `DATABASE_URL`; the `DB_*` family;
the `POSTGRES_*` family; the file named by `MOOTHILL_CONFIG` (default `moothill.toml`); defaults.
Importing this module reads nothing: `Settings.load()` does.
"""

import logging
import os
import re
import tomllib
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Self
from urllib.parse import quote

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    model_validator,
)

from .errors import Invalid, near_match

__all__ = ["Settings", "parse_duration"]

_log = logging.getLogger("moothill.settings")
# Of the environment too, but no settings of a service.
_OTHER_NAMES = {
    *("MOOTHILL_APP_PASSWORD", "MOOTHILL_CHROMIUM", "MOOTHILL_COMPLETE", "MOOTHILL_CONFIG", "MOOTHILL_CONSOLE_DSN"),
    *("MOOTHILL_MIGRATOR_PASSWORD", "MOOTHILL_SHARED_DATA", "MOOTHILL_SOAK", "MOOTHILL_SQL_PASSWORD"),
}
_UNITS = {"ms": 0.001, "s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400, "": 1}


def parse_duration(value: Any) -> Any:
    """`30s`, `10m`, `500ms`, `1h` or a number of seconds, as a timedelta."""
    if isinstance(value, timedelta):
        return value
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(ms|s|min|m|h|d|)\s*", str(value))
    if not match:
        raise ValueError("give a duration such as 500ms, 30s, 10m or 1h")
    try:
        return timedelta(seconds=float(match[1]) * _UNITS[match[2]])
    except OverflowError:
        raise ValueError("this duration is longer than any; give one such as 500ms, 30s, 10m or 1h") from None


def _milliseconds(value: Any) -> Any:
    """The described systems' `*_MS` names and bare `DB_*` numbers count milliseconds."""
    return f"{value}ms" if re.fullmatch(r"\d+", str(value).strip()) else value


Duration = Annotated[timedelta, BeforeValidator(parse_duration)]
# Zero would mean "for ever" to PostgreSQL, and beyond a day nobody waits.
Timeout = Annotated[Duration, Field(ge=timedelta(milliseconds=1), le=timedelta(days=1))]


class Settings(BaseModel):
    """Everything that may be configured. Durations take `500ms`, `30s`, `10m`, `1h`."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    dsn: SecretStr | None = Field(None, description="PostgreSQL DSN of the application role.")
    direct_dsn: SecretStr | None = Field(
        None, description="DSN that bypasses a pooler, for LISTEN and migrations; without it listeners poll."
    )
    migrator_dsn: SecretStr | None = Field(
        None, description="DSN of a role that may become moothill_owner; migrations only."
    )
    sql_dsn: SecretStr | None = Field(
        None, description="DSN of moothill_sql, for SQL that agents write; an embedded server knows its own."
    )
    url: str | None = Field(None, description="Address of a running Moothill server.")
    key: SecretStr | None = Field(None, description="API key for a running server.")
    tenant: str = Field("default", description="Slug or id of the tenant to work in.")
    home: Path | None = Field(None, description="Folder of the embedded server; default: the user's data folder.")
    postgres_major: int = Field(18, ge=16, le=18, description="Major version of the embedded server: 16 or 18.")

    pool_min: int = Field(2, ge=0, le=1000, description="Connections kept open.")
    pool_max: int = Field(20, ge=1, le=1000, description="Most connections of this process.")
    connect_timeout: Timeout = Field(timedelta(seconds=10), description="Longest wait for a connection.")
    idle_timeout: Timeout = Field(
        timedelta(seconds=30), description="An idle connection above the minimum closes after this."
    )
    max_lifetime: Timeout = Field(timedelta(hours=1), description="A connection is renewed after this.")
    statement_timeout: Timeout = Field(timedelta(seconds=30), description="Longest run of one statement.")
    lock_timeout: Timeout = Field(
        timedelta(seconds=10), description="Longest wait of one statement for a lock; then: unavailable."
    )
    tenant_share: float = Field(
        0.5,
        gt=0,
        le=1,
        description="Largest part of the pool that one tenant may hold; beyond it: exhausted.",
    )
    application_name: str = Field("moothill", max_length=63, description="Name shown in pg_stat_activity.")
    tls: str | None = Field(None, description="sslmode; default verify-full off loopback, prefer on it.")
    migration_table: str = Field(
        "schema_migrations", pattern=r"^[a-z_][a-z0-9_]{0,44}$", description="Table that records migrations."
    )

    sql_pool_max: int = Field(4, ge=1, le=100, description="Most connections of this process for SQL of agents.")
    sql_timeout: Annotated[Timeout, Field(le=timedelta(minutes=5))] = Field(
        timedelta(seconds=5), description="Longest run of a statement of an agent."
    )
    sql_cost: float = Field(
        1_000_000, gt=0, description="Highest cost, by the planner's estimate, of a statement of an agent."
    )
    sql_bytes: int = Field(
        4_194_304, ge=1024, le=268_435_456, description="Most bytes in the answer to a statement of an agent."
    )

    embedding_provider: str = Field("wordllama", description="wordllama, openai, sentence-transformers or a plug-in.")
    embedding_model: str | None = Field(None, description="Model name of the provider.")
    embedding_url: str | None = Field(None, description="Base URL of an OpenAI-compatible endpoint.")
    embedding_key: SecretStr | None = Field(None, description="Key of the embedding endpoint.")
    embedding_dimensions: int | None = Field(
        None, ge=8, le=4000, description="Dimensions, where the model lets choose."
    )

    record_searches: bool = Field(
        True, description="Keep what is searched for, how long it takes and what it finds; false: nothing of it."
    )

    privacy_epsilon: float = Field(
        1.0, ge=0.01, le=100, description="Privacy budget of each family of releases, for a group and a month."
    )
    privacy_delta: float = Field(
        0.00001, ge=1e-10, le=0.01, description="The probability that goes with the privacy budget."
    )
    privacy_minimum_age: Duration = Field(
        timedelta(days=30), ge=timedelta(0), description="Younger tenants do not count in releases."
    )

    archive_folder: Path | None = Field(
        None, description="Folder of archived rows, shared by all workers; an embedded server has its own."
    )
    signing_key: SecretStr | None = Field(
        None, description="Ed25519 key that signs reports of erasures: 32 random bytes as base64."
    )
    signing_key_file: Path | None = Field(
        None, description="File that holds that key; an embedded server makes its own."
    )
    public_url: str | None = Field(
        None, description="Address under which clients reach this server; default: as each request says."
    )
    oidc_issuers: str | None = Field(
        None, description="Issuers of bearer tokens that are taken, with commas between; none: keys only."
    )
    oidc_audience: str | None = Field(
        None, max_length=2000, description="What must stand in `aud` of a token, one of them; needed with issuers."
    )
    oidc_algorithms: str = Field("RS256,PS256,ES256,EdDSA", description="Signatures of tokens that are taken.")
    oidc_tenant_claim: str = Field(
        "moothill_tenant", min_length=1, max_length=200, description="Claim that names the tenant, by slug or id."
    )
    oidc_actor_claim: str = Field(
        "moothill_actor",
        min_length=1,
        max_length=200,
        description="Claim that says `service:NAME` or `agent:KEY`; without it: an operator.",
    )
    oidc_scope_claim: str = Field("scope", min_length=1, max_length=200, description="Claim that holds the scopes.")
    oidc_leeway: Annotated[Duration, Field(ge=timedelta(0), le=timedelta(minutes=5))] = Field(
        timedelta(seconds=30), description="How far the clocks of issuer and server may be apart."
    )
    kek_file: Path | None = Field(
        None, description="File of key-encryption keys, `id:base64` a line, the first in use; mode 0600."
    )
    keks: SecretStr | None = Field(None, description="Key-encryption keys themselves, separated by commas.")
    kms: str | None = Field(
        None, description="What makes a client of a key service, as `module:attribute`, instead of keys at hand."
    )
    encryption_cache: Annotated[Timeout, Field(ge=timedelta(seconds=1), le=timedelta(hours=1))] = Field(
        timedelta(minutes=5), description="How long a process keeps a tenant's unwrapped data keys."
    )

    rate_limit: int = Field(600, ge=1, description="Calls a minute allowed to one key.")
    body_limit: int = Field(4_194_304, ge=1024, description="Largest HTTP request body, in bytes.")
    worker: bool = Field(True, description="Run scheduled jobs and event handlers in the server process.")
    strict: bool = Field(False, description="Refuse PostgreSQL minors with known holes instead of warning.")
    log_level: str = Field("INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$", description="Least level that is logged.")

    @model_validator(mode="after")
    def _check_pool(self) -> Self:
        if self.pool_min > self.pool_max:
            if "pool_min" not in self.model_fields_set:
                # Whoever lowers the most has not asked for our least.
                self.__dict__["pool_min"] = self.pool_max
                return self
            raise ValueError(f"pool_min is {self.pool_min} and pool_max {self.pool_max}; the least exceeds the most")
        return self

    @classmethod
    def load(cls, environ: Mapping[str, str] | None = None, /, **given: Any) -> "Settings":
        """Settings from every source; `given` wins, `None` in it means "not given".

        Raises:
            Invalid: a value breaks its rule, or the file names an unknown setting.
        """
        environ = os.environ if environ is None else environ
        merged: dict[str, Any] = {**_from_file(environ), **_from_environment(environ)}
        merged.update({name: value for name, value in given.items() if value is not None})
        try:
            return cls(**merged)
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            field = ".".join(map(str, first["loc"])) or "pool_min"
            hint = near_match(field, cls.model_fields) if first["type"] == "extra_forbidden" else ""
            raise Invalid(f"Setting {field}: {first['msg']}.{hint}", field=field) from None


# Where a name of the described systems lands. `ms`: a bare number counts milliseconds.
FOREIGN_NAMES: Mapping[str, tuple[str, str]] = {
    "DB_MAX_CONNECTIONS": ("pool_max", ""),
    "DB_POOL_MAX": ("pool_max", ""),
    "POSTGRES_POOL_MAX": ("pool_max", ""),
    "DB_MIN_CONNECTIONS": ("pool_min", ""),
    "DB_POOL_MIN": ("pool_min", ""),
    "POSTGRES_POOL_MIN": ("pool_min", ""),
    "DB_IDLE_TIMEOUT_MS": ("idle_timeout", "ms"),
    "DB_IDLE_TIMEOUT": ("idle_timeout", "ms"),
    "DB_CONNECTION_TIMEOUT_MS": ("connect_timeout", "ms"),
    "DB_CONNECTION_TIMEOUT": ("connect_timeout", "ms"),
    "DB_CONNECT_TIMEOUT": ("connect_timeout", "ms"),
    "DB_STATEMENT_TIMEOUT_MS": ("statement_timeout", "ms"),
    "DB_STATEMENT_TIMEOUT": ("statement_timeout", "ms"),
    "DB_QUERY_TIMEOUT": ("statement_timeout", "ms"),
    "DB_APPLICATION_NAME": ("application_name", ""),
    "DB_MIGRATION_TABLE": ("migration_table", ""),
    "DB_SSL": ("tls", "tls"),
    "POSTGRES_SSL_MODE": ("tls", "tls"),
}
_ADDRESS_FAMILIES = (
    {"host": "DB_HOST", "port": "DB_PORT", "name": "DB_NAME", "user": "DB_USER", "password": "DB_PASSWORD"},
    {
        "host": "POSTGRES_HOST",
        "port": "POSTGRES_PORT",
        "name": "POSTGRES_DB",
        "user": "POSTGRES_USER",
        "password": "POSTGRES_PASSWORD",
    },
)
_TLS_WORDS = {
    "true": "verify-full",
    "1": "verify-full",
    "on": "verify-full",
    "false": "disable",
    "0": "disable",
}


def _from_environment(environ: Mapping[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for family in reversed(_ADDRESS_FAMILIES):
        if environ.get(family["host"]) and environ.get(family["name"]):
            found["dsn"] = _family_dsn(environ, family)
    for name, (field, unit) in reversed(list(FOREIGN_NAMES.items())):
        if value := environ.get(name):
            if unit == "tls":
                value = _TLS_WORDS.get(value.lower(), value)
            found[field] = _milliseconds(value) if unit == "ms" else value
    if url := environ.get("DATABASE_URL"):
        found["dsn"] = url
    _warn_of_unknown(environ)
    for field in Settings.model_fields:
        if (value := environ.get(f"MOOTHILL_{field.upper()}")) is not None and value != "":
            found[field] = value
    return found


def _family_dsn(environ: Mapping[str, str], family: Mapping[str, str]) -> str:
    user = quote(environ.get(family["user"], "moothill_app"), safe="")
    password = environ.get(family["password"])
    secret = f":{quote(password, safe='')}" if password else ""
    port = environ.get(family["port"]) or "5432"
    return f"postgresql://{user}{secret}@{environ[family['host']]}:{port}/{quote(environ[family['name']], safe='')}"


def _from_file(environ: Mapping[str, str]) -> dict[str, Any]:
    named = environ.get("MOOTHILL_CONFIG")
    path = Path(named or "moothill.toml")
    if not path.is_file():
        if named:
            raise Invalid(f"MOOTHILL_CONFIG names {named}, which is not a file.", field="MOOTHILL_CONFIG")
        return {}
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Invalid(f"{path} is not valid TOML: {error}.", field="MOOTHILL_CONFIG") from None


def _warn_of_unknown(environ: Mapping[str, str]) -> None:
    known = {f"MOOTHILL_{field.upper()}" for field in Settings.model_fields} | _OTHER_NAMES
    for name in sorted(environ):
        if name.startswith("MOOTHILL_") and name not in known and not name.startswith("MOOTHILL_TEST_"):
            # Never the value: a misspelt name may hold a password.
            _log.warning(
                "unknown_setting: %s is not known and has no effect.%s",
                name,
                near_match(name, known),
                extra={"setting": name},
            )
