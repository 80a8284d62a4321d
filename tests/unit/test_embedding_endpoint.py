"""The OpenAI-compatible provider against a real HTTP server on the loopback address."""

import asyncio
import json
import logging
import threading
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
import pytest
from pydantic import SecretStr

from moothill.embeddings import (
    EmbeddingAnswerRefused,
    EmbeddingInputRefused,
    EmbeddingLimitReached,
    EmbeddingsUnavailable,
)
from moothill.embeddings.openai import Limits, OpenAIEmbeddings
from moothill.kernel.errors import Invalid

DIMENSIONS = 8
SECRET = "sk-very-secret"
TEXT = "a text that nobody may log"
FAST = Limits(texts=3, backoff=timedelta(milliseconds=1), timeout=timedelta(seconds=5))


class Endpoint(ThreadingHTTPServer):
    """An endpoint that first plays its script of (status, headers, body), then answers honestly."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.script: list[tuple[int, dict[str, str], bytes]] = []
        self.requests: list[dict[str, Any]] = []
        self.authorisations: list[str | None] = []
        self.under_way = 0
        self.most_under_way = 0
        self.lock = threading.Lock()
        self.barrier: threading.Barrier | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"


def vector_of(text: str) -> list[float]:
    """A vector that tells its text: not normalised, and different for different lengths."""
    return [float(len(text)), *[1.0] * (DIMENSIONS - 1)]


def honest(texts: list[str]) -> bytes:
    data = [{"object": "embedding", "index": i, "embedding": vector_of(text)} for i, text in enumerate(texts)]
    return json.dumps({"object": "list", "data": data[::-1], "model": "m"}).encode()


class Handler(BaseHTTPRequestHandler):
    server: Endpoint

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        with self.server.lock:
            self.server.requests.append({"path": self.path, **body})
            self.server.authorisations.append(self.headers["authorization"])
            self.server.under_way += 1
            self.server.most_under_way = max(self.server.most_under_way, self.server.under_way)
            scripted = self.server.script.pop(0) if self.server.script else None
        if self.server.barrier is not None:
            self.server.barrier.wait(5)
        status, headers, answer = scripted or (200, {}, honest(body["input"]))
        with self.server.lock:
            self.server.under_way -= 1
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: Any) -> None: ...


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    with Endpoint() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def ask(endpoint: Endpoint, texts: list[str], limits: Limits = FAST, **given: Any) -> Any:
    """One round through a provider of this endpoint, connections closed after it."""

    async def run() -> Any:
        options: dict[str, Any] = {"url": endpoint.url, "model": "m", "dimensions": DIMENSIONS, **given}
        provider = OpenAIEmbeddings(key=SecretStr(SECRET), limits=limits, **options)
        try:
            return await provider.embed(texts)
        finally:
            await provider.close()
            await provider.close()

    return asyncio.run(run())


def test_vectors_come_back_in_the_order_of_the_texts_whatever_the_batches(endpoint: Endpoint) -> None:
    texts = ["x" * n for n in (3, 1, 4, 1, 5, 9, 2, 6)]
    rows = ask(endpoint, texts)
    for row, text in zip(rows, texts, strict=True):
        wanted = np.array(vector_of(text))
        assert np.allclose(row, wanted / np.linalg.norm(wanted), atol=1e-6)
    assert sorted(len(request["input"]) for request in endpoint.requests) == [2, 3, 3]
    assert {request["path"] for request in endpoint.requests} == {"/v1/embeddings"}
    assert set(endpoint.authorisations) == {f"Bearer {SECRET}"}


def test_empty_texts_are_not_sent_and_give_zero_rows(endpoint: Endpoint) -> None:
    rows = ask(endpoint, ["", "a", "  "])
    assert [bool(row.any()) for row in rows] == [False, True, False]
    assert [request["input"] for request in endpoint.requests] == [["a"]]
    assert ask(endpoint, []).shape == (0, DIMENSIONS)


def test_a_request_is_bounded_by_characters_and_a_long_text_is_cut(endpoint: Endpoint) -> None:
    limits = Limits(characters=10, max_characters=20)
    ask(endpoint, ["x" * 8, "y" * 8, "z" * 100], limits)
    assert sorted(request["input"] for request in endpoint.requests) == [["x" * 8], ["y" * 8], ["z" * 20]]


def test_no_more_requests_are_under_way_than_allowed(endpoint: Endpoint) -> None:
    # Two at a time really overlap (each waits for the other at the barrier), and never a third.
    endpoint.barrier = threading.Barrier(2)
    ask(endpoint, ["x"] * 6, Limits(texts=1, concurrency=2))
    assert endpoint.most_under_way == 2


def test_dimensions_are_asked_for_only_where_the_model_lets_choose(endpoint: Endpoint) -> None:
    ask(endpoint, ["a"])
    ask(endpoint, ["a"], model="text-embedding-3-small")
    assert [request.get("dimensions") for request in endpoint.requests] == [None, DIMENSIONS]


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503])
def test_a_passing_failure_is_tried_again(endpoint: Endpoint, status: int) -> None:
    endpoint.script = [(status, {}, b""), (status, {"retry-after": "0"}, b"")]
    assert ask(endpoint, ["a"]).shape == (1, DIMENSIONS)
    assert len(endpoint.requests) == 3


@pytest.mark.parametrize(("status", "error"), [(429, EmbeddingLimitReached), (500, EmbeddingsUnavailable)])
def test_a_lasting_failure_ends_after_the_attempts(endpoint: Endpoint, status: int, error: type[Exception]) -> None:
    endpoint.script = [(status, {}, TEXT.encode())] * 10
    with pytest.raises(error):
        ask(endpoint, [TEXT])
    assert len(endpoint.requests) == FAST.attempts


@pytest.mark.parametrize("as_date", [False, True])
def test_a_long_retry_after_is_handed_on_instead_of_waited_for(endpoint: Endpoint, as_date: bool) -> None:
    later = format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True) if as_date else "3600"
    endpoint.script = [(429, {"retry-after": later}, b"")]
    with pytest.raises(EmbeddingLimitReached) as caught:
        ask(endpoint, ["a"])
    assert 3500 < caught.value.context["retry_after"] <= 3600
    assert len(endpoint.requests) == 1


def test_a_short_retry_after_is_honoured(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []

    async def note(seconds: float) -> None:
        waited.append(seconds)

    monkeypatch.setattr("moothill.embeddings.openai.asyncio.sleep", note)
    endpoint.script = [(429, {"retry-after": "7"}, b""), (503, {"retry-after": "nonsense"}, b"")]
    ask(endpoint, ["a"])
    assert waited[0] == 7
    assert 0 < waited[1] < 1


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, EmbeddingInputRefused),
        (413, EmbeddingInputRefused),
        (422, EmbeddingInputRefused),
        (401, EmbeddingsUnavailable),
        (403, EmbeddingsUnavailable),
        (404, EmbeddingsUnavailable),
        (302, EmbeddingsUnavailable),
    ],
)
def test_a_sure_failure_is_not_tried_again_and_tells_no_secret(
    endpoint: Endpoint, status: int, error: type[Exception], caplog: pytest.LogCaptureFixture
) -> None:
    endpoint.script = [(status, {"location": "http://127.0.0.1:9/"}, f"bad input: {TEXT}".encode())]
    with caplog.at_level(logging.DEBUG), pytest.raises(error) as caught:
        ask(endpoint, [TEXT])
    assert len(endpoint.requests) == 1
    told = f"{caught.value} {caught.value.context} {caplog.text}"  # type: ignore[attr-defined]
    assert TEXT not in told
    assert SECRET not in told


def data(*vectors: Any, indices: Sequence[Any] | None = None) -> bytes:
    items = [
        {"index": index, "embedding": vector}
        for index, vector in zip(indices or range(len(vectors)), vectors, strict=True)
    ]
    return json.dumps({"data": items}).encode()


GOOD = [1.0] * DIMENSIONS


@pytest.mark.parametrize(
    "answer",
    [
        data(GOOD),
        data(GOOD, GOOD, GOOD),
        data(GOOD, GOOD, indices=[0, 0]),
        data(GOOD, GOOD, indices=[1, 2]),
        data(GOOD, GOOD, indices=[0, [1]]),
        data(GOOD, [1.0] * (DIMENSIONS + 1)),
        data(GOOD, [*GOOD[1:], float("nan")]),
        data(GOOD, [*GOOD[1:], float("inf")]),
        data(GOOD, [*GOOD[1:], 1e300]),
        data(GOOD, [*GOOD[1:], None]),
        data(GOOD, [*GOOD[1:], "x"]),
        data(GOOD, "AAAA"),
        data(GOOD, None),
        b"",
        b"not json",
        b"[]",
        b"{}",
        b'{"data": 3}',
        b'{"data": [1, 2]}',
        b'{"data": null}',
        b" " * 200_000,
    ],
)
def test_a_bad_answer_is_refused_whatever_is_wrong_with_it(endpoint: Endpoint, answer: bytes) -> None:
    endpoint.script = [(200, {}, answer)]
    with pytest.raises(EmbeddingAnswerRefused):
        ask(endpoint, ["a", "b"])
    assert len(endpoint.requests) == 1


def test_an_endpoint_that_is_not_there_is_unavailable() -> None:
    with Endpoint() as closed:
        url = closed.url
    provider = OpenAIEmbeddings(url=url, model="m", dimensions=DIMENSIONS, limits=FAST)

    async def run() -> None:
        try:
            await provider.embed(["a"])
        finally:
            await provider.close()

    with pytest.raises(EmbeddingsUnavailable, match="does not answer"):
        asyncio.run(run())


@pytest.mark.parametrize(
    "url",
    [
        "ftp://host/v1",
        "host/v1",
        "https://",
        "https://user:pw@host/v1",
        "https://host/v1?key=1",
        "https://[",
        "http://h:x",
    ],
)
def test_an_address_that_is_not_plain_http_is_invalid_and_not_repeated(url: str) -> None:
    with pytest.raises(Invalid) as caught:
        OpenAIEmbeddings(url=url)
    assert "pw" not in str(caught.value)


@pytest.mark.parametrize(
    ("model", "dimensions"),
    [("unheard-of", None), ("text-embedding-ada-002", 100), ("text-embedding-3-small", 2000)],
)
def test_dimensions_that_cannot_be_are_invalid(model: str, dimensions: int | None) -> None:
    with pytest.raises(Invalid):
        OpenAIEmbeddings(model=model, dimensions=dimensions)
