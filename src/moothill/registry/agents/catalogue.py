"""Reading a catalogue, whole, before the transaction: what can be imported, and what cannot and why."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from ...kernel.errors import Invalid
from ...kernel.identifiers import NOBODY
from ..capabilities import rules
from ..capabilities.models import NewCapability, NewEvidence
from ..search import Vectors
from .errors import CatalogueRefused
from .formats import DETECTION_BYTES, BadRecord, CapabilityEntry, CatalogueEntry, SkippedRecord, detect, read
from .reports import ImportProblem

__all__ = ["MOST_RECORDS", "Incoming", "Reading", "read_catalogue", "refusal"]

MOST_RECORDS = 50_000


@dataclass(frozen=True, slots=True)
class Incoming:
    """An entry that can be imported, and where its vectors stand."""

    entry: CatalogueEntry
    capabilities: tuple[NewCapability, ...]
    digest: str
    place: int


@dataclass(frozen=True, slots=True)
class Reading:
    """A catalogue, read and checked before the transaction."""

    format: str | None
    incoming: tuple[Incoming, ...]
    problems: tuple[ImportProblem, ...]
    passed_over: int
    vectors: Vectors | None = None


def read_catalogue(
    content: str | None, entries: Sequence[CatalogueEntry] | None, format: str | None, file: str
) -> Reading:
    """Read and check everything; what is bad becomes a problem."""
    incoming: list[Incoming] = []
    problems: list[ImportProblem] = []
    passed_over = 0
    seen: dict[str, int] = {}
    if content is not None:
        data = content.encode()
        format = format or str(detect(data[:DETECTION_BYTES]))
        items: Iterator[Any] = read(data, file=file, format=format)
    else:
        items = iter(entries or ())
    place = 0
    for number, item in enumerate(items, start=1):
        if number > MOST_RECORDS:
            raise Invalid(f"A call imports at most {MOST_RECORDS} records; split the catalogue.", field="content")
        if isinstance(item, BadRecord):
            problems.append(ImportProblem(**item.model_dump()))
        elif isinstance(item, SkippedRecord):
            passed_over += 1
        else:
            record = item.record or number
            before = seen.setdefault(item.agent_id, record)
            capabilities, field, reason = _capabilities(item)
            if before != record:
                field, reason = "agent_id", f"is the same as that of record {before}"
            if reason:
                problems.append(ImportProblem(file=file, record=record, field=field, reason=reason))
            else:
                incoming.append(Incoming(item, capabilities, item.fingerprint(), place))
                place += 1 + len(capabilities)
    return Reading(format, tuple(incoming), tuple(problems), passed_over)


def _capabilities(entry: CatalogueEntry) -> tuple[tuple[NewCapability, ...], str, str]:
    """The capabilities of an entry by our own rules, or the field that breaks one and why."""
    found: list[NewCapability] = []
    for index, each in enumerate(entry.capabilities):
        try:
            found.append(_capability(each, entry.description))
            rules.canonical_name(each.name)
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False, include_context=False)[0]
            path = ".".join(map(str, first["loc"]))
            return (), f"capabilities[{index}].{path}", first["msg"]
        except Invalid as error:
            return (), f"capabilities[{index}].name", error.message
    double = rules.first_double(each.name for each in found)
    if double is not None:
        return (), "capabilities", f"{double[:100]!r} is there twice"
    return tuple(found), "", ""


def _capability(entry: CapabilityEntry, description: str) -> NewCapability:
    mention = entry.mention
    shown = []
    if mention is not None:
        # The chunk is the agent's own description; its id is filled in when the agent has one.
        shown.append(
            NewEvidence(
                chunk_id=NOBODY,
                chunk_type="description",
                mention=mention.text,
                sentence=rules.sentence_around(description, mention.start, mention.end),
                start_position=mention.start,
                end_position=mention.end,
                method=entry.extraction_method,
                confidence=entry.extraction_confidence,
            )
        )
    return NewCapability(
        name=entry.name,
        type=entry.type,
        description=entry.description,
        aliases=list(entry.aliases),
        tags=list(entry.tags),
        confidence=entry.confidence,
        extraction_confidence=entry.extraction_confidence,
        extraction_method=entry.extraction_method,
        evidence=shown,
    )


def refusal(reading: Reading) -> CatalogueRefused:
    """The error for a catalogue that has bad records: the first of them in words, others in its context."""
    first = reading.problems[0]
    line = f" (line {first.line})" if first.line else ""
    others = len(reading.problems) - 1
    more = f" {others} more bad record{'s' if others > 1 else ''}." if others else ""
    return CatalogueRefused(
        f"{first.file}, record {first.record}{line}: {first.field or 'the record'} {first.reason}.{more} "
        f"Nothing was imported; mend the file, or pass over bad records with `skip_bad`.",
        problems=[problem.model_dump() for problem in reading.problems[:20]],
        problems_total=len(reading.problems),
    )
