"""Any OpenAI-compatible `/embeddings` endpoint: batches, bounded concurrency, patient retries.

Texts leave this machine only towards the address in the settings; redirects are not followed, so the key
cannot be carried elsewhere. Neither texts, nor the key, nor the body of an answer is ever logged or put
into an error.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx
import orjson
import structlog
from pydantic import SecretStr

from moothill.kernel.errors import Invalid, MoothillError

from .errors import (
    EmbeddingAnswerRefused,
    EmbeddingInputRefused,
    EmbeddingLimitReached,
    EmbeddingsUnavailable,
)
from .provider import model_slug, prepare, unit_rows

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["DEFAULT_MODEL", "DEFAULT_URL", "Limits", "OpenAIEmbeddings"]

DEFAULT_URL = "https://api.openai.com/v1"
DEFAULT_MODEL = "text-embedding-3-small"
# Native dimensions, where they are published. Any other model needs the setting.
DIMENSIONS = {
    "text-embedding-3-small": 1536,
    "text-embedding-3-large": 3072,
    "text-embedding-ada-002": 1536,
    "nomic-embed-text": 768,
    "mxbai-embed-large": 1024,
    "bge-m3": 1024,
}
# Only these are told the dimensions: other servers refuse a parameter that their model does not know.
_CHOOSES = ("text-embedding-3-",)
_INPUT_REFUSED = {400, 413, 422}

_log = structlog.get_logger("moothill.embeddings")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How hard the endpoint is worked.

    Attributes:
        texts: most texts in one request.
        characters: most characters in one request (a single longer text still goes, alone).
        concurrency: most requests under way at once.
        timeout: longest wait to connect, or for the next part of an answer.
        attempts: tries of one request before giving up.
        backoff: pause before the second try; doubled each time, with jitter.
        longest_wait: a pause longer than this (the endpoint's Retry-After) is not waited for: the error
            carries it as `retry_after`, in seconds.
        max_characters: what lies beyond in a text is cut off (most models read 8,192 tokens).
    """

    texts: int = 128
    characters: int = 100_000
    concurrency: int = 4
    timeout: timedelta = timedelta(seconds=30)
    attempts: int = 4
    backoff: timedelta = timedelta(milliseconds=500)
    longest_wait: timedelta = timedelta(seconds=30)
    max_characters: int = 8_000


class OpenAIEmbeddings:
    """Embeddings over HTTP. One object serves one event loop and keeps its connections until `close`."""

    name = "openai"
    local = False

    def __init__(
        self,
        *,
        url: str = DEFAULT_URL,
        key: SecretStr | None = None,
        model: str = DEFAULT_MODEL,
        dimensions: int | None = None,
        limits: Limits | None = None,
    ) -> None:
        """Describe the endpoint; nothing is contacted yet.

        Raises:
            Invalid: the address is not plain http(s), or the model's dimensions are not known.
        """
        self._host = _host(url)
        self._endpoint = url.rstrip("/") + "/embeddings"
        self._key = key
        self._requested = model
        self.dimensions = _dimensions(model, dimensions)
        self.model = model_slug(model, self.dimensions)
        self._limits = limits or Limits()
        self.max_characters = self._limits.max_characters
        self._client: httpx.AsyncClient | None = None
        self._places = asyncio.Semaphore(self._limits.concurrency)

    async def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Vectors of the texts, in order; see `EmbeddingProvider.embed`. Empty texts are not sent.

        Raises:
            EmbeddingInputRefused: the endpoint refuses the texts.
            EmbeddingLimitReached: its rate limit held for longer than we wait.
            EmbeddingsUnavailable: it does not answer, refuses the key, or does not know the model.
            EmbeddingAnswerRefused: its answer has NaN, or another count or dimensions than asked for.
        """
        import numpy as np

        prepared = prepare(texts, self.max_characters)
        rows = np.zeros((len(prepared), self.dimensions), dtype=np.float32)

        async def one(batch: list[int]) -> None:
            async with self._places:
                rows[batch] = await self._request([prepared[index] for index in batch])

        try:
            async with asyncio.TaskGroup() as group:
                for batch in self._batches(prepared):
                    group.create_task(one(batch))
        except BaseExceptionGroup as failures:
            # The first failure cancels the other requests; it is what the caller can act on.
            raise _first(failures) from None
        return rows

    async def close(self) -> None:
        """Close the connections; calling it twice does no harm."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    def _batches(self, texts: list[str]) -> list[list[int]]:
        batches: list[list[int]] = []
        batch: list[int] = []
        size = 0
        for index, text in enumerate(texts):
            if not text:
                continue
            if batch and (len(batch) == self._limits.texts or size + len(text) > self._limits.characters):
                batches.append(batch)
                batch, size = [], 0
            batch.append(index)
            size += len(text)
        if batch:
            batches.append(batch)
        return batches

    async def _request(self, texts: list[str]) -> NDArray[np.float32]:
        """One request with its retries."""
        body: dict[str, Any] = {"model": self._requested, "input": texts, "encoding_format": "float"}
        if self._requested.startswith(_CHOOSES):
            body["dimensions"] = self.dimensions
        content = orjson.dumps(body)
        pause = self._limits.backoff.total_seconds()
        for attempt in range(1, self._limits.attempts + 1):
            problem, wait = await self._attempt(content, len(texts))
            if not isinstance(problem, MoothillError):
                return problem
            if wait is None:
                raise problem
            if wait > self._limits.longest_wait.total_seconds() or attempt == self._limits.attempts:
                if wait > 0:
                    problem.context["retry_after"] = wait
                raise problem
            delay = max(wait, pause * random.uniform(0.5, 1.0))  # noqa: S311 (jitter, not a secret)
            _log.warning("embedding_retry", host=self._host, error=problem.code, attempt=attempt, delay=round(delay, 3))
            await asyncio.sleep(delay)
            pause *= 2
        raise AssertionError("unreachable: the last attempt returns or raises")

    async def _attempt(self, content: bytes, count: int) -> tuple[NDArray[np.float32] | MoothillError, float | None]:
        """One try: the vectors, or the error with the least pause before another try (None: try no more)."""
        try:
            status, headers, answer = await self._post(content, count)
        except httpx.HTTPError as error:
            return self._unavailable(f"does not answer ({type(error).__name__})"), 0.0
        if status == 200:
            return self._vectors(answer, count), None
        if status == 429:
            return (
                EmbeddingLimitReached(
                    f"The embedding endpoint {self._host} says that its rate limit is reached; try again later.",
                    provider=self.name,
                ),
                _retry_after(headers),
            )
        if status in _INPUT_REFUSED:
            return (
                EmbeddingInputRefused(
                    f"The embedding endpoint {self._host} refuses the texts ({status}); shorten them, "
                    f'or check what its model "{self._requested}" takes.',
                    provider=self.name,
                    status=status,
                ),
                None,
            )
        if status in (401, 403):
            return self._unavailable(f"refuses the key ({status}); check MOOTHILL_EMBEDDING_KEY"), None
        if status >= 500 or status == 408:
            return self._unavailable(f"failed ({status})"), _retry_after(headers)
        return self._unavailable(f"answered with status {status}; check MOOTHILL_EMBEDDING_URL and _MODEL"), None

    async def _post(self, content: bytes, count: int) -> tuple[int, httpx.Headers, bytes]:
        """Send, and read the answer up to the size that an honest one can have."""
        if self._client is None:
            self._client = httpx.AsyncClient(
                timeout=self._limits.timeout.total_seconds(),
                limits=httpx.Limits(max_connections=self._limits.concurrency),
            )
        headers = {"content-type": "application/json"}
        if self._key is not None:
            headers["authorization"] = f"Bearer {self._key.get_secret_value()}"
        most = 65_536 + count * (1024 + 64 * self.dimensions)
        async with self._client.stream("POST", self._endpoint, content=content, headers=headers) as response:
            answer = bytearray()
            if response.status_code == 200:
                async for part in response.aiter_bytes():
                    answer += part
                    if len(answer) > most:
                        return 200, response.headers, b""
            return response.status_code, response.headers, bytes(answer)

    def _vectors(self, answer: bytes, count: int) -> NDArray[np.float32] | EmbeddingAnswerRefused:
        try:
            items = orjson.loads(answer)["data"]
            # The order of the answer is the index's, not the list's; a missing or doubled index is refused.
            by_index = {item["index"]: item["embedding"] for item in items}
            if len(items) != count or set(by_index) != set(range(count)):
                raise ValueError
            ordered = [by_index[index] for index in range(count)]
        except (ValueError, TypeError, KeyError):
            return EmbeddingAnswerRefused(
                f"The embedding endpoint {self._host} answered with something that is not {count} embeddings.",
                provider=self.name,
            )
        try:
            return unit_rows(ordered, count=count, dimensions=self.dimensions, name=self.name)
        except EmbeddingAnswerRefused as refused:
            return refused

    def _unavailable(self, what: str) -> EmbeddingsUnavailable:
        return EmbeddingsUnavailable(f"The embedding endpoint {self._host} {what}.", provider=self.name)


def _host(url: str) -> str:
    """Host of the base URL, which may carry no secret: it is the part that messages show."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise Invalid("The embedding address is not a URL.", field="embedding_url") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise Invalid("The embedding address must begin with https:// or http://.", field="embedding_url")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise Invalid(
            "The embedding address may hold no user, password, query or fragment; "
            "give the key as MOOTHILL_EMBEDDING_KEY.",
            field="embedding_url",
        )
    return parts.hostname if port is None else f"{parts.hostname}:{port}"


def _dimensions(model: str, given: int | None) -> int:
    known = DIMENSIONS.get(model)
    if given is None and known is None:
        raise Invalid(
            f'The dimensions of the embedding model "{model[:100]}" are not known; set MOOTHILL_EMBEDDING_DIMENSIONS.',
            field="embedding_dimensions",
        )
    if given is not None and known is not None and given != known:
        if not model.startswith(_CHOOSES):
            raise Invalid(
                f"{model} has {known} dimensions, not {given}; leave MOOTHILL_EMBEDDING_DIMENSIONS unset.",
                field="embedding_dimensions",
            )
        if given > known:
            raise Invalid(f"{model} has at most {known} dimensions.", field="embedding_dimensions")
    return given or known or 0


def _retry_after(headers: httpx.Headers) -> float:
    """Seconds of a Retry-After (a number or a date); 0 when there is none or it makes no sense."""
    value = headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit():
        return float(value[:9])
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, TypeError):
        return 0.0
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())


def _first(failures: BaseExceptionGroup[BaseException]) -> BaseException:
    failure = failures.exceptions[0]
    return _first(failure) if isinstance(failure, BaseExceptionGroup) else failure
