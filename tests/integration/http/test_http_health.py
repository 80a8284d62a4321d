"""Probes and metrics: what machines ask a server, without a key."""

import httpx
import psycopg
import pytest
from prometheus_client.parser import text_string_to_metric_families

from moothill.database import health
from moothill.database.embedded import EmbeddedServer
from moothill.database.pool import Database
from moothill.kernel.settings import Settings
from moothill.moot import Moot
from tests.conftest import DATABASE, DatabaseFactory
from tests.serving import Live, serving


async def test_a_healthy_server_is_alive_ready_and_healthy(live: Live) -> None:
    async with live.client() as client:
        assert (await client.get("/health/live")).json() == {"status": "alive"}
        ready = await client.get("/health/ready")
        assert ready.status_code == 200
        assert ready.json()["checks"] == {"database": "ok", "schema": "ok", "guards": "ok"}
        database = (await client.get("/health/database")).json()
    assert database["healthy"] is True
    stats = database["stats"]
    assert stats["healthStatus"] == "healthy"
    assert stats["totalConnections"] == stats["idleConnections"] + stats["activeConnections"]


async def test_probes_and_pages_answer_head(live: Live) -> None:
    async with live.client() as client:
        for path in ("/health/live", "/health/ready", "/metrics", "/docs", "/openapi.json"):
            answer = await client.head(path)
            assert (answer.status_code, answer.content) == (200, b"")


async def test_a_server_whose_guard_falls_is_not_ready(
    server: EmbeddedServer, settings: Settings, fresh_database: DatabaseFactory
) -> None:
    name = await fresh_database()
    async with serving(server.dsn("app", name), settings) as live, live.client() as client:
        async with await psycopg.AsyncConnection.connect(server.dsn("admin", name), autocommit=True) as admin:
            await admin.execute("alter table moothill.events no force row level security")
        ready = await client.get("/health/ready")
        assert ready.status_code == 503
        assert ready.json()["context"]["checks"] == {"database": "ok", "guards": "guard_missing"}
        assert "retry-after" in ready.headers
        assert (await client.get("/health/live")).status_code == 200


async def test_a_server_whose_database_is_gone_says_so(
    server: EmbeddedServer, settings: Settings, fresh_database: DatabaseFactory
) -> None:
    name = await fresh_database()
    async with serving(server.dsn("app", name), settings) as live, live.client() as client:
        async with await psycopg.AsyncConnection.connect(server.dsn("admin"), autocommit=True) as admin:
            await admin.execute(f'drop database "{name}" with (force)')
        ready = await client.get("/health/ready")
        assert (ready.status_code, ready.json()["code"]) == (503, "not_ready")
        database = await client.get("/health/database")
        assert (database.status_code, database.json()["healthy"]) == (503, False)
        assert (await client.get("/health/live")).status_code == 200


@pytest.mark.parametrize(
    ("available", "status"),
    [(20, "healthy"), (5, "healthy"), (4, "degraded"), (2, "degraded"), (1, "unhealthy"), (0, "unhealthy")],
)
def test_utilisation_above_three_quarters_degrades_and_above_nine_tenths_is_unhealthy(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, available: int, status: str
) -> None:
    database = Database("", settings)
    numbers = {"pool_size": 20, "pool_available": available, "pool_max": 20}
    monkeypatch.setattr(database, "statistics", lambda: numbers)
    assert health.pool_health(database).status == status


async def test_a_busy_pool_is_no_absent_database(live: Live) -> None:
    """The probe has a connection of its own, so it does not wait behind the pool's callers."""
    assert live.moot.session is not None
    assert live.moot.session.database is not None
    checks = health.HealthChecks(live.moot.session.database)
    assert await checks.answers() is None
    assert await checks.servable() is None


async def test_metrics_count_calls_and_never_name_tenants(live: Live, moot: Moot) -> None:
    tenant = await moot.keys.current()
    async with live.client(await live.key(moot)) as client:
        await client.get("/v1/keys/current")
        await client.get("/v1/tenants/get", params={"tenant": "nowhere"})
        await client.get("/v1/no/such")
        answer = await client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    families = {family.name: family for family in text_string_to_metric_families(answer.text)}
    calls = {tuple(sorted(sample.labels.items())) for sample in families["moothill_calls"].samples}
    assert (("operation", "keys.current"), ("outcome", "ok")) in calls
    assert (("operation", "tenants.get"), ("outcome", "tenant_not_found")) in calls
    assert {"moothill_call_duration_seconds", "moothill_pool_connections", "moothill_http_requests"} <= set(families)
    assert {"moothill_searches_recorded", "moothill_searches_lost", "moothill_searches_waiting"} <= set(families)
    labels = {label for family in families.values() for sample in family.samples for label in sample.labels}
    assert labels <= {"operation", "outcome", "handler", "method", "status", "state", "le"}
    for private in (str(tenant.tenant), tenant.tenant_slug, "nowhere", "no/such"):
        assert private not in answer.text


async def test_a_duration_stands_in_each_bucket_that_holds_it(client: httpx.AsyncClient) -> None:
    await client.get("/v1/keys/current")
    text = (await client.get("/metrics")).text
    families = {family.name: family for family in text_string_to_metric_families(text)}
    buckets = [
        sample.value
        for sample in families["moothill_call_duration_seconds"].samples
        if sample.name.endswith("_bucket") and sample.labels["operation"] == "keys.current"
    ]
    assert buckets == sorted(buckets)
    count = next(
        sample.value
        for sample in families["moothill_call_duration_seconds"].samples
        if sample.name.endswith("_count") and sample.labels["operation"] == "keys.current"
    )
    assert buckets[-1] == count >= 1


async def test_probes_are_cheap_to_repeat(live: Live, server: EmbeddedServer) -> None:
    async with (
        live.client() as client,
        await psycopg.AsyncConnection.connect(server.dsn("admin", DATABASE), autocommit=True) as admin,
    ):

        async def sessions() -> int:
            cursor = await admin.execute(
                "select sum(sessions)::int from pg_stat_database where datname = %s", [DATABASE]
            )
            row = await cursor.fetchone()
            return 0 if row is None else row[0]

        await client.get("/health/ready")
        before = await sessions()
        for _ in range(50):
            await client.get("/health/ready")
        assert await sessions() - before < 10
