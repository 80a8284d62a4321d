"""Writing down searches off their way: a bounded buffer of this process, flushed every second and at its end.

A search leaves a small record and goes on. What cannot be written is lost, never waited for: a buffer that is full
drops its oldest record and counts it, and an error harms nobody's search. A process that is killed loses a second.
"""

import asyncio
import contextvars
import hashlib
import logging
from array import array
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast
from uuid import UUID

from ....database.queries import Queries, Run
from ....kernel.context import EVERYTHING, SYSTEM, Context, Principal, context
from ....kernel.errors import MoothillError
from ....kernel.events import dumps
from ....kernel.identifiers import uuid7
from ....kernel.local import LocalExecutor, Runtime, entered
from ....kernel.service import Executor
from ..models import SearchFilters, SearchGraph, SearchKind, SearchResults
from . import rules
from .models import Measured, Seen

if TYPE_CHECKING:
    from ....database.transaction import PooledTransaction

__all__ = ["MOST", "Recorder", "noted", "recorder_of", "seen", "written_down"]

# Records that wait; at most so many are lost when the database is gone for a while.
MOST = 5_000
# So many wait at most before they are written ahead of their second.
_PART = 500
_SECONDS = 1.0
_HITS = 100
# At its end a process waits so long for a database that does not answer.
_PATIENCE = 10.0
_NAME = "searches"
# Searches that measure search are nobody's.
_MEASURING = ("search.evaluate", "search.tune")

_log = logging.getLogger("moothill.search")


class Sql(Queries):
    """The statement that writes searches down."""

    file = "recorder.sql"

    write: Run


sql = Sql()


@dataclass(slots=True)
class Recorder:
    """The searches of one process that are yet to be written.

    Attributes:
        enabled: false: nothing is kept, and results name no session.
        most: records that wait at most.
        written: rows that went into the database.
        dropped: records that a full buffer, an error, or the end of the process lost.
    """

    runtime: Runtime
    enabled: bool = True
    most: int = MOST
    written: int = 0
    dropped: int = 0
    _waiting: deque[tuple[Principal, dict[str, Any]]] = field(default_factory=deque)
    _task: asyncio.Task[None] | None = None
    _due: asyncio.Event = field(default_factory=asyncio.Event)
    _writing: asyncio.Lock = field(default_factory=asyncio.Lock)

    def note(self, principal: Principal, record: dict[str, Any]) -> None:
        """Take a record; nothing is waited for, and the oldest goes when there are too many."""
        while len(self._waiting) >= self.most:
            self._waiting.popleft()
            self.dropped += 1
        self._waiting.append((principal, record))
        if len(self._waiting) >= _PART:
            self._due.set()
        if self._task is None or self._task.done():
            # In a context of its own: what is open around the search is none of the writer's business.
            running = asyncio.get_running_loop()
            self._task = running.create_task(self._write_now_and_then(), name="searches", context=contextvars.Context())

    async def flush(self) -> None:
        """Write what waits, tenant by tenant; after it returns, what was noted before it was called is written."""
        async with self._writing:
            taken, self._waiting = self._waiting, deque()
            by_tenant: dict[UUID, list[tuple[Principal, dict[str, Any]]]] = {}
            for principal, record in taken:
                by_tenant.setdefault(principal.tenant, []).append((principal, record))
            held = len(taken)
            try:
                for records in by_tenant.values():
                    for start in range(0, len(records), _PART):
                        part = records[start : start + _PART]
                        await self._write(part)
                        held -= len(part)
            finally:
                # What a writer held that was cancelled, the part among it that it was just writing.
                self.dropped += held

    async def close(self) -> None:
        """Write what waits, at the end of the process; no more is taken."""
        self.enabled = False
        self._due.set()
        if self._task is not None:
            # It ends by itself once nothing waits; one that is killed in the middle loses what it holds.
            await asyncio.wait([self._task], timeout=_PATIENCE)
            if self._task.cancel():
                await asyncio.wait([self._task])
        if self._waiting:
            self.dropped += len(self._waiting)
            self._waiting.clear()
        if self.dropped:
            _log.warning("searches_lost", extra={"searches": self.dropped})

    @property
    def waiting(self) -> int:
        """Records that are yet to be written."""
        return len(self._waiting)

    async def _write(self, records: Sequence[tuple[Principal, dict[str, Any]]]) -> None:
        first = records[0][0]
        writer = Principal(tenant=first.tenant, tenant_slug=first.tenant_slug, actor=SYSTEM, scopes=EVERYTHING)
        call = Context(principal=writer, operation="search.record", door="worker", owner=self.runtime)
        try:
            async with self.runtime.database.begin(call, single=True) as unit:
                call.transaction = unit
                keys = cast("PooledTransaction", unit).keys
                rows = [{**record, "query_hash": keys.digest(record["query_hash"]).hex()} for _, record in records]
                with entered(call):
                    await sql.write(rows=dumps(rows))
                await unit.finish(call)
            self.written += len(records)
        except MoothillError as error:
            self.dropped += len(records)
            told = {"tenant": str(first.tenant), "searches": len(records), "code": error.code}
            _log.warning("searches_not_written", extra=told)
        except Exception:
            self.dropped += len(records)
            _log.exception("searches_not_written", extra={"tenant": str(first.tenant), "searches": len(records)})
        finally:
            call.transaction = None

    async def _write_now_and_then(self) -> None:
        while self._waiting:
            if self.enabled:
                self._due.clear()
            try:
                async with asyncio.timeout(_SECONDS):
                    await self._due.wait()
            except TimeoutError:
                pass
            await self.flush()


def recorder_of(runtime: Runtime) -> Recorder:
    """The recorder of a process."""
    found = runtime.providers.get(_NAME)
    if found is None:
        settings = getattr(runtime.database, "settings", None)
        enabled = bool(getattr(settings, "record_searches", True))
        found = runtime.providers[_NAME] = made = Recorder(runtime, enabled=enabled)
        counters = runtime.instruments.counters
        counters["searches_recorded"] = ("Searches that were written down.", lambda: made.written)
        counters["searches_lost"] = ("Searches that could not be written down.", lambda: made.dropped)
        runtime.instruments.gauges["searches_waiting"] = (
            "Searches that wait to be written down.",
            lambda: made.waiting,
        )
    assert isinstance(found, Recorder)
    return found


def seen(
    *,
    text: str | None,
    limit: int,
    vector: Sequence[float] | None = None,
    kinds: list[SearchKind] | None = None,
    filters: SearchFilters | None = None,
    graph: SearchGraph | None = None,
    measured: Measured,
) -> Seen:
    """What is noted of a search beside its answer."""
    return Seen(
        text=text,
        limit=limit,
        vector=None if vector is None else hashlib.sha256(array("d", vector).tobytes()).digest(),
        kinds=kinds,
        minimum_confidence=None if filters is None else filters.minimum_confidence,
        filters=[] if filters is None else sorted(filters.model_dump(exclude_none=True)),
        hops=0 if graph is None else graph.hops,
        measured=measured,
    )


def noted(executor: Executor, found: SearchResults, asked: Seen) -> SearchResults:
    """Note a search that was answered; the same results, with the session that feedback names."""
    call = context()
    assert isinstance(executor, LocalExecutor)
    recorder = recorder_of(executor.runtime)
    if not recorder.enabled or (call.parent is not None and call.parent.operation in _MEASURING):
        return found
    session = uuid7()
    real = call.principal.real_actor
    timing = found.timing
    recorder.note(
        call.principal,
        {
            "id": session,
            "query_text": None if asked.text is None else asked.text[: rules.QUERY_LIMIT],
            "query_hash": rules.likeness(asked.text, asked.vector),
            "search_type": found.mode,
            "max_results": asked.limit,
            "max_hops": asked.hops,
            "min_confidence": asked.minimum_confidence,
            "kinds": asked.kinds,
            "result_count": len(found.hits),
            "hits": [hit.id for hit in found.hits[:_HITS]],
            "execution_ms": round(timing.embedding_ms + timing.database_ms, 3),
            "embedding_ms": timing.embedding_ms,
            "vector_ms": asked.measured.vector_ms,
            "text_ms": asked.measured.text_ms,
            "graph_ms": asked.measured.graph_ms,
            "nodes_visited": asked.measured.agents,
            "edges_traversed": asked.measured.relationships,
            "max_hops_reached": max((hit.why.reach.hops for hit in found.hits if hit.why.reach is not None), default=0),
            "model": found.model,
            "exact": found.exact,
            "actor_id": call.actor.id,
            "actor_kind": call.actor.kind,
            "real_actor": real.id if real else None,
            "request": call.request_id,
            "metadata": {"door": call.door, **({"filters": asked.filters} if asked.filters else {})},
        },
    )
    return found.model_copy(update={"session": session})


async def written_down(executor: Executor) -> None:
    """Wait until what this process has noted so far can be read."""
    assert isinstance(executor, LocalExecutor)
    await recorder_of(executor.runtime).flush()
