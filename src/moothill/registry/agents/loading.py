"""Catalogue import: many agents with their capabilities, in one transaction and a few statements.

An agent of whom the catalogue says what it said before is left alone, whatever was changed here since.
One of whom it says something else takes that over; its status, load, counters, standing and what was
learnt of its capabilities stay.
"""

import asyncio
import base64
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, Field

from ...database.queries import Many, Queries, Run
from ...kernel.context import context
from ...kernel.errors import Invalid
from ...kernel.events import dumps
from ...kernel.identifiers import NOBODY, uuid7
from ...kernel.operation import operation
from ...kernel.service import Service
from ..capabilities import rules as capability_rules
from ..capabilities import store
from ..capabilities.indexing import new_entry
from ..search import Search, SearchEntry, Vectors
from . import skillset
from .catalogue import MOST_RECORDS, Incoming, Reading, read_catalogue, refusal
from .events import CatalogueLoaded
from .formats import CatalogueEntry
from .indexing import described_entry
from .models import NewSkill
from .reports import CatalogueFormat, ImportReport

__all__ = ["load"]

_PART = 500
_PROBLEMS = 1_000


class _Known(BaseModel):
    id: UUID
    agent_id: str
    digest: str | None


class _Put(BaseModel):
    id: UUID
    agent_id: str
    status: str
    deactivated_at: datetime | None


class Sql(Queries):
    """Statements of imports."""

    file = "loading.sql"

    known: Many[_Known]
    put: Many[_Put]
    tag: Run
    keep_cards: Run


sql = Sql()


@operation(
    effect="write",
    scope="agents:load",
    audience="operator",
    example={
        "content": '{"agent_id": "translator", "name": "Translator", "capabilities": ["translate contracts"]}',
        "format": "jsonl",
        "dry_run": True,
    },
)
async def load(
    self: Service,
    *,
    content: Annotated[
        str | None,
        Field(
            max_length=64_000_000,
            description="The catalogue, as its file has it.",
            json_schema_extra={"source": "file"},
        ),
    ] = None,
    entries: Annotated[
        list[CatalogueEntry] | None, Field(max_length=MOST_RECORDS, description="The agents, instead of `content`.")
    ] = None,
    format: Annotated[CatalogueFormat | None, Field(description="What the content is; default: looked at.")] = None,
    file: Annotated[str, Field(max_length=255, description="Name of the file, for reports.")] = "-",
    skip_bad: Annotated[bool, Field(description="Import what is sound and pass over bad records.")] = False,
    dry_run: Annotated[bool, Field(description="Change nothing, and say what would be done.")] = False,
) -> ImportReport:
    """Import a catalogue of agents, whole or not at all; importing it again changes nothing.

    Formats: records of MCP registries, A2A agent cards, and our own columns as JSON Lines or CSV.

    Raises:
        CatalogueRefused: it has bad records, and `skip_bad` was not given; each is named with its reason.
        UnknownFormat: the format is not said and cannot be seen.
    """
    reading: Reading = context().prepared
    if reading.problems and not (skip_bad or dry_run):
        raise refusal(reading)
    known = {each.agent_id: each for part in _parts(reading.incoming) for each in await _known(part)}
    fresh = [each for each in reading.incoming if each.entry.agent_id not in known]
    changed = [
        each
        for each in reading.incoming
        if (before := known.get(each.entry.agent_id)) is not None and before.digest != each.digest
    ]
    report = ImportReport(
        preview=dry_run,
        format=reading.format,
        records=len(reading.incoming) + len(reading.problems) + reading.passed_over,
        created=len(fresh),
        updated=len(changed),
        unchanged=len(reading.incoming) - len(fresh) - len(changed),
        skipped=len(reading.problems) + reading.passed_over,
        capabilities=sum(len(each.capabilities) for each in (*fresh, *changed)),
        problems=list(reading.problems[:_PROBLEMS]),
        problems_total=len(reading.problems),
    )
    if dry_run or not (fresh or changed):
        return report
    # In the order of their keys, so that two imports wait for each other instead of killing each other.
    writing = sorted((*fresh, *changed), key=lambda each: each.entry.agent_id)
    written: list[UUID] = []
    for part in _parts(writing):
        context().progress(len(written), len(writing), "writing")
        written += await _write(self, part, reading)
    context().progress(len(written), len(writing), "writing")
    context().record(
        CatalogueLoaded(
            file=file,
            format=reading.format,
            created=report.created,
            updated=report.updated,
            unchanged=report.unchanged,
            skipped=report.skipped,
        ),
        subjects=written,
    )
    return report


@load.prepare
async def _prepare(
    self: Service,
    *,
    content: str | None = None,
    entries: list[CatalogueEntry] | None = None,
    format: CatalogueFormat | None = None,
    file: str = "-",
    skip_bad: bool = False,
    dry_run: bool = False,
) -> Reading:
    if (content is None) == (entries is None):
        raise Invalid("Give `content` or `entries`, one of them.", field="content")
    context().progress(0, None, "reading")
    reading = await asyncio.to_thread(read_catalogue, content, entries, format, file)
    if dry_run or (reading.problems and not skip_bad):
        return reading
    # Ids and statuses do not matter to vectors; the real entries are made when they are known.
    context().progress(0, len(reading.incoming), "understanding")
    texts = [text for each in reading.incoming for text in _search_entries(each, NOBODY, {}, "idle")]
    return replace(reading, vectors=await Search(self.executor).vectors_of(texts))


def _parts(all_of_them: Sequence[Incoming]) -> Iterator[Sequence[Incoming]]:
    for start in range(0, len(all_of_them), _PART):
        yield all_of_them[start : start + _PART]


async def _known(part: Sequence[Incoming]) -> list[_Known]:
    return await sql.known(keys=[each.entry.agent_id for each in part])


async def _write(self: Service, part: Sequence[Incoming], reading: Reading) -> list[UUID]:
    """Write some agents with everything that hangs on them; their ids."""
    put = {
        each.agent_id: each for each in await sql.put(rows=dumps([_row(each) for each in part]), format=reading.format)
    }
    ids = {key: each.id for key, each in put.items()}
    await sql.tag(rows=dumps([*_tags(part, ids)]), agents=[*ids.values()])
    await skillset.put_skills(
        [(ids[each.entry.agent_id], _skill(skill)) for each in part for skill in each.entry.skills]
    )
    await sql.keep_cards(rows=dumps([*_cards(part, ids)]), agents=[*ids.values()])
    await store.forget_stale([*ids.values()])
    merged = await store.merge([*_catalogued(part, ids)])
    gone = await store.replace([*ids.values()], merged)
    search = Search(self.executor)
    await search.remove(gone)
    await _index(search, part, put, merged, reading.vectors)
    return [*ids.values()]


async def _index(
    search: Search,
    part: Sequence[Incoming],
    put: dict[str, _Put],
    merged: Sequence[store.Merged],
    vectors: Vectors | None,
) -> None:
    assert vectors is not None
    capabilities = {(each.agent, each.canonical_name): each for each in merged}
    entries: list[SearchEntry] = []
    rows: list[Any] = []
    for each in part:
        agent = put[each.entry.agent_id]
        if agent.deactivated_at is not None:
            continue
        for offset, entry in enumerate(_search_entries(each, agent.id, capabilities, agent.status)):
            if entry.status != "rejected":
                entries.append(entry)
                rows += [] if vectors.rows is None else [vectors.rows[each.place + offset]]
    await search.put(entries, Vectors(vectors.model, rows if vectors.rows is not None else None))


def _search_entries(
    incoming: Incoming, agent: UUID, capabilities: dict[tuple[UUID, str], store.Merged], status: str
) -> list[SearchEntry]:
    entry = incoming.entry
    found = [
        described_entry(
            identifier=agent,
            agent_id=entry.agent_id,
            name=entry.name,
            description=entry.description,
            specialisations=entry.specialisations,
            provider=entry.provider,
            tags=entry.tags,
            status=status,
        )
    ]
    for each in incoming.capabilities:
        written = capabilities.get((agent, capability_rules.canonical_name(each.name)))
        if written is None:
            found.append(new_entry(each, NOBODY, agent))
        else:
            found.append(new_entry(each, written.id, agent, written.validation_status))
    return found


def _row(incoming: Incoming) -> dict[str, Any]:
    entry = incoming.entry
    return {
        "id": uuid7(),
        "agent_id": entry.agent_id,
        "name": entry.name,
        "description": entry.description,
        "type": entry.type,
        "model_family": entry.model_family,
        "model_version": entry.version,
        "specialisations": entry.specialisations,
        "tags": entry.tags,
        "provider": entry.provider,
        "url": entry.url,
        "metadata": entry.metadata,
        "source_digest": incoming.digest,
    }


def _tags(part: Sequence[Incoming], ids: dict[str, UUID]) -> Iterator[dict[str, Any]]:
    for each in part:
        agent = ids[each.entry.agent_id]
        for kind, tags in (("tag", each.entry.tags), ("specialisation", each.entry.specialisations)):
            for tag in tags:
                yield {"agent_id": agent, "kind": kind, "tag": tag}


def _cards(part: Sequence[Incoming], ids: dict[str, UUID]) -> Iterator[dict[str, Any]]:
    for each in part:
        card = each.entry.card
        if card is not None:
            yield {
                "agent_id": ids[each.entry.agent_id],
                "media_type": card.media_type,
                "content": base64.b64encode(card.content).decode(),
                "sha256": hashlib.sha256(card.content).hexdigest(),
            }


def _catalogued(part: Sequence[Incoming], ids: dict[str, UUID]) -> Iterator[store.CatalogueCapability]:
    for each in part:
        agent = ids[each.entry.agent_id]
        for new in each.capabilities:
            shown = [evidence.model_copy(update={"chunk_id": agent}) for evidence in new.evidence]
            yield store.CatalogueCapability(agent=agent, new=new.model_copy(update={"evidence": shown}))


def _skill(entry: Any) -> NewSkill:
    return NewSkill(name=entry.name, proficiency=entry.proficiency, experience_points=entry.experience)
