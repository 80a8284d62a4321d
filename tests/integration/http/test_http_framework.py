"""What passes through the web framework comes out in the same shape as the rest."""

from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio
from fastapi import HTTPException
from starlette.responses import StreamingResponse

from moothill.doors.http import create_app
from moothill.kernel.errors import Conflict
from tests.integration.http.test_http_refusals import check_problem
from tests.serving import Live


@pytest_asyncio.fixture
async def client(live: Live) -> AsyncIterator[httpx.AsyncClient]:
    """A client of an application on which somebody mounted more."""
    app = create_app(live.door)

    @app.get("/more/{number}")
    async def more(number: int) -> int:
        if number == 1:
            raise HTTPException(418, "Short and stout.")
        if number == 2:
            raise HTTPException(502, "Elsewhere.")
        if number == 3:
            raise Conflict("Twice.")
        if number == 4:
            raise ValueError("private")
        return number

    @app.get("/half")
    async def half() -> StreamingResponse:
        async def body() -> AsyncIterator[bytes]:
            yield b"half"
            raise ValueError("private")

        return StreamingResponse(body())

    transport = httpx.ASGITransport(app, raise_app_exceptions=True)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as made:
        yield made


@pytest.mark.parametrize(
    ("path", "status", "kind"),
    [
        ("/more/x", 422, "invalid"),
        ("/more/1", 422, "invalid"),
        ("/more/2", 500, "internal"),
        ("/more/3", 409, "conflict"),
        ("/more/4", 500, "internal"),
    ],
)
async def test_errors_of_mounted_routes_are_problem_documents(
    client: httpx.AsyncClient, path: str, status: int, kind: str
) -> None:
    answer = await client.get(path)
    assert answer.status_code == status
    assert check_problem(answer)["kind"] == kind
    assert "private" not in answer.text
    assert answer.headers["x-frame-options"] == "DENY"


async def test_a_mounted_route_that_works_is_left_alone(client: httpx.AsyncClient) -> None:
    assert (await client.get("/more/7")).json() == 7


async def test_half_an_answer_breaks_off(client: httpx.AsyncClient) -> None:
    with pytest.raises(Exception, match="request id"):
        await client.get("/half")
