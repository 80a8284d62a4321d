"""Schemathesis throws what it can think of at every operation of the live server: no answer is a 500."""

import asyncio
import os
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as hypothesis_settings
from hypothesis.errors import Unsatisfiable
from schemathesis.checks import content_type_conformance, not_a_server_error, response_schema_conformance
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import status_code_conformance

from moothill.database.embedded import EmbeddedServer
from moothill.kernel.settings import Settings
from tests.conftest import DatabaseFactory
from tests.contract.cases import operations as shipped
from tests.serving import serving

CHECKS = [not_a_server_error, content_type_conformance, response_schema_conformance, status_code_conformance]
# Random values of these lead away from the operation: to other tenants, to no agent, to an early end.
ELSEWHERE = ("Moothill-Tenant", "Moothill-View-As", "Moothill-Deadline")
# Every so many paths have the others.
WITH_HEADERS = 5
SOAK = bool(os.environ.get("MOOTHILL_SOAK"))
MODES = (schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE)


def failures_of(operation: Any, mode: schemathesis.GenerationMode, url: str, key: str) -> list[str]:
    """What the checks find wrong with one operation."""

    @given(case=operation.as_strategy(generation_mode=mode))
    @hypothesis_settings(
        max_examples=200 if SOAK else 4,
        derandomize=not SOAK,
        database=None,
        deadline=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def throw(case: Any) -> None:
        case.call_and_validate(base_url=url, checks=CHECKS, headers={"Authorization": f"Bearer {key}"}, timeout=20)

    try:
        throw()
    except Unsatisfiable:
        pass  # nothing can be wrong with no arguments
    except FailureGroup as group:
        return [f"{operation.method} {operation.path}: {[str(each) for each in group.exceptions]}"]
    return []


def leaner(document: dict[str, Any]) -> dict[str, Any]:
    """A document with fewer headers: to make values for them takes as long as for all arguments.

    What reads them is the same for all operations, so that a few show what comes of them.
    """
    shared = document["components"]["parameters"]
    elsewhere = {f"#/components/parameters/{name}" for name, each in shared.items() if each["name"] in ELSEWHERE}
    assert len(elsewhere) == len(ELSEWHERE)
    for place, path in enumerate(document["paths"].values()):
        for operation in path.values():
            has_headers = SOAK or place % WITH_HEADERS == 0
            operation["parameters"] = [
                each
                for each in operation.get("parameters", [])
                if "$ref" not in each or (has_headers and each["$ref"] not in elsewhere)
            ]
    return document


def streams(operation: Any) -> bool:
    described: dict[str, str] = operation.definition.raw.get("x-moothill", {})
    return described.get("kind") == "stream"


@pytest.mark.parametrize("mode", MODES)
async def test_no_operation_answers_500_or_otherwise_than_documented(
    server: EmbeddedServer, settings: Settings, fresh_database: DatabaseFactory, mode: schemathesis.GenerationMode
) -> None:
    generous = settings.model_copy(update={"rate_limit": 10_000_000})
    async with serving(server.dsn("app", await fresh_database()), generous) as live:
        key = await live.key(live.moot)

        def throw_at_all() -> list[str]:
            schema = schemathesis.openapi.from_dict(leaner(httpx.get(f"{live.url}/openapi.json", timeout=60).json()))
            operations: list[Any] = [found.ok() for found in schema.get_all_operations()]  # type: ignore[union-attr]
            # Other modules of tests have services of their own, known to the whole process.
            known = {f"/v1/{operation.name.replace('.', '/')}" for operation in shipped()}
            own = [each for each in operations if each.path in known]
            assert len({each.path for each in own}) == len(known)
            # A stream that is accepted has no end to wait for; its refusals are tested with the streams.
            return [problem for each in own if not streams(each) for problem in failures_of(each, mode, live.url, key)]

        problems = await asyncio.to_thread(throw_at_all)
    assert not problems, "\n".join(problems)
