"""Probes: alive, ready, and the database's health in the words of document A3."""

from typing import Literal

from fastapi import FastAPI, Response
from pydantic import BaseModel, ConfigDict, Field

from ...database.circuit import CircuitState
from ...database.health import HealthChecks, pool_health
from ...kernel.errors import Unavailable
from .door import Door
from .problems import ServerStopping

__all__ = ["add_health"]


class NotReady(Unavailable):
    """This server should not be sent work now; its checks say why."""


class Liveness(BaseModel):
    """The process runs and answers."""

    model_config = ConfigDict(frozen=True)

    status: Literal["alive"] = Field(description="Always alive: a dead process says nothing.")


class Readiness(BaseModel):
    """The server may be sent work."""

    model_config = ConfigDict(frozen=True)

    status: Literal["ready"] = Field(description="Always ready: what is not ready is a problem document.")
    checks: dict[str, Literal["ok"]] = Field(description="What was checked: database, schema and guards.")


class PoolNumbers(BaseModel):
    """Connections of this process's pool, as document A3 names them."""

    model_config = ConfigDict(frozen=True)

    totalConnections: int = Field(description="Open connections.")
    idleConnections: int = Field(description="Those that wait for work.")
    activeConnections: int = Field(description="Those that work.")
    waitingRequests: int = Field(description="Calls that wait for a connection.")
    maxConnections: int = Field(description="Most connections the pool opens.")
    healthStatus: Literal["healthy", "degraded", "unhealthy"] = Field(
        description="degraded when more than 75 % of maxConnections are active, unhealthy above 90 %."
    )


class DatabaseHealth(BaseModel):
    """Health of the database as this process sees it."""

    model_config = ConfigDict(frozen=True)

    healthy: bool = Field(description="The database answers and the pool is not unhealthy.")
    circuit: CircuitState = Field(description="Open while the database is gone: calls fail at once.")
    stats: PoolNumbers = Field(description="The pool at this moment.")


def add_health(app: FastAPI, door: Door) -> None:
    """Add the probes. They need no key: what asks them has none."""
    checks = HealthChecks(door.database)

    @app.get("/health/live", tags=["health"], operation_id="health_live")
    async def live() -> Liveness:
        """Whether the process runs; asks nothing of the database."""
        return Liveness(status="alive")

    @app.get("/health/ready", tags=["health"], operation_id="health_ready")
    async def ready() -> Readiness:
        """Whether to send work here: the database answers, the schema is current, every guard stands."""
        if door.stopping.is_set():
            raise ServerStopping()
        if (down := await checks.answers()) is not None:
            raise NotReady(f"Not ready: {down.message}", checks={"database": down.code})
        if (unfit := await checks.servable()) is not None:
            raise NotReady(f"Not ready: {unfit.message}", checks={"database": "ok", "guards": unfit.code})
        return Readiness(status="ready", checks={"database": "ok", "schema": "ok", "guards": "ok"})

    @app.get(
        "/health/database",
        tags=["health"],
        operation_id="health_database",
        responses={503: {"model": DatabaseHealth, "description": "The database does not answer."}},
    )
    async def database(response: Response) -> DatabaseHealth:
        """How the database and its pool do."""
        is_down = await checks.answers() is not None
        pool = pool_health(door.database)
        if is_down:
            response.status_code = 503
        return DatabaseHealth(
            healthy=not is_down and pool.status != "unhealthy",
            circuit=door.database.circuit.state,
            stats=PoolNumbers(
                totalConnections=pool.total,
                idleConnections=pool.idle,
                activeConnections=pool.active,
                waitingRequests=pool.waiting,
                maxConnections=pool.largest,
                healthStatus="unhealthy" if is_down else pool.status,
            ),
        )
