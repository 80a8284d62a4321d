"""Judged sets: queries with graded answers, given as a file or drawn from feedback."""

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated
from uuid import UUID

from pydantic import Field

from ....kernel.context import context
from ....kernel.errors import Invalid, NotFound
from ....kernel.events import dumps
from ....kernel.identifiers import NOBODY, uuid7
from ....kernel.operation import Plan, operation
from ....kernel.paging import Cursor, Page, PageSize, decode_cursor
from ....kernel.service import Service
from ....kernel.signature import check_plain
from ....kernel.texts import id_of
from ..sessions.rules import likeness
from ..wording import worded
from . import rules
from .models import (
    DerivedJudgements,
    JudgedSet,
    Judgement,
    JudgementProblem,
    JudgementReport,
    JudgementsForgotten,
    JudgementsStored,
    NewJudgement,
    SetName,
    Source,
)
from .statements import keys, sql

__all__ = ["derive_judgements", "forget_judgements", "judge", "judged_sets", "judgements"]

_PART = 1_000
_PROBLEMS = 100
_SAID = 50_000


class JudgementsRefused(Invalid):
    """Some of these judgements are not sound, so none was stored; `skip_bad` stores the others."""


class JudgedSetNotFound(NotFound):
    """There is no such judged set; `search.judged_sets` shows those that exist."""


@dataclass(slots=True)
class _Query:
    """A query with its grades, ready to be stored."""

    text: str
    kinds: Sequence[str] | None
    grades: dict[UUID, int] = field(default_factory=dict)


@operation(
    effect="write",
    scope="search:judge",
    audience="operator",
    example={
        "judged_set": "everyday",
        "content": '{"query": "translate a contract", "item": "alderman", "grade": 0, "kinds": ["agent"]}',
    },
)
async def judge(
    self: Service,
    *,
    judged_set: SetName = "default",
    content: Annotated[
        str | None,
        Field(
            max_length=16_000_000,
            description="Judgements as JSON Lines: query, item, grade (0 to 3), and kinds where only those are asked.",
            json_schema_extra={"source": "file"},
        ),
    ] = None,
    judgements: Annotated[
        list[NewJudgement] | None, Field(max_length=rules.MOST, description="The judgements, instead of `content`.")
    ] = None,
    skip_bad: Annotated[bool, Field(description="Store what is sound and pass over the rest.")] = False,
    dry_run: Annotated[bool, Field(description="Change nothing, and say what would be done.")] = False,
) -> JudgementReport:
    """Store how well items answer queries, whole or not at all; what was judged before takes the new grade.

    Raises:
        JudgementsRefused: some lines are not sound, or name items that cannot be found; each is named.
    """
    read: list[tuple[int, NewJudgement]] = context().prepared[0]
    problems: list[JudgementProblem] = list(context().prepared[1])
    lines = len(read) + len(problems)
    sound: list[tuple[int, NewJudgement]] = []
    for line, each in read:
        if (fault := _fault(each.query, each.item)) is not None:
            problems.append(JudgementProblem(line=line, problem=fault))
        else:
            sound.append((line, each))
    named = await _named([each.item for _, each in sound])
    queries: dict[bytes, _Query] = {}
    for line, each in sound:
        item = named.get(each.item)
        if item is None:
            problems.append(JudgementProblem(line=line, problem=f"item: nothing here is called {each.item!r}"))
            continue
        query = queries.setdefault(likeness(each.query), _Query(each.query, each.kinds))
        query.grades[item] = each.grade
    problems.sort(key=lambda each: each.line)
    if problems and not (skip_bad or dry_run):
        raise JudgementsRefused(
            f"{len(problems)} of {lines} judgements are not sound; the first: line {problems[0].line}, "
            f"{problems[0].problem}. Mend them, or pass over them with skip_bad.",
            field="content",
            problems=[each.model_dump() for each in problems[:_PROBLEMS]],
        )
    every = sum(len(each.grades) for each in queries.values())
    stored = every if dry_run else await _store(judged_set, queries, "given")
    return JudgementReport(
        judged_set=judged_set,
        preview=dry_run,
        queries=len(queries),
        stored=stored,
        unchanged=every - stored,
        problems=problems[:_PROBLEMS],
        problems_total=len(problems),
    )


@judge.prepare
async def _read(
    self: Service,
    *,
    judged_set: str = "default",
    content: str | None = None,
    judgements: list[NewJudgement] | None = None,
    skip_bad: bool = False,
    dry_run: bool = False,
) -> tuple[list[tuple[int, NewJudgement]], list[JudgementProblem]]:
    if (content is None) == (judgements is None):
        raise Invalid("Give `content` or `judgements`, one of them.", field="content")
    if judgements is not None:
        return list(enumerate(judgements, 1)), []
    context().progress(0, None, "reading")
    return await asyncio.to_thread(rules.read_judgements, content or "")


def _fault(query: str, item: str = "") -> str | None:
    """Why a query cannot be asked, or an item not be looked up; one such query would stop every evaluation."""
    try:
        check_plain({"query": query, "item": item})
        line = worded(query)
    except Invalid as error:
        return error.message
    return "query: it says only what to leave out; say what to look for" if line.only_leaves_out else None


async def _named(references: Sequence[str]) -> dict[str, UUID]:
    """The items that references name."""
    found: dict[str, UUID] = {}
    every = list(dict.fromkeys(references))
    for start in range(0, len(every), _PART):
        part = every[start : start + _PART]
        ids = {reference: id for reference in part if (id := id_of(reference)) is not None}
        rows = {each.reference: each.id for each in await sql.items(references=part, ids=[*ids.values()])}
        # An own key that looks like an id is the key.
        found |= {name: rows[str(id)] for name, id in ids.items() if str(id) in rows} | {
            name: rows[name] for name in part if name in rows
        }
    return found


async def _store(judged_set: str, queries: Mapping[bytes, _Query], source: Source) -> int:
    """Write queries and grades; how many grades are new or changed."""
    of_tenant = keys()
    digests = {like: of_tenant.digests(like) for like in queries}
    stored = 0
    likes = list(queries)
    for start in range(0, len(likes), _PART):
        context().progress(start, len(likes), "writing")
        part = likes[start : start + _PART]
        known = {
            each.query_hash: each.id
            for each in await sql.judged(
                judged_set=judged_set, hashes=[digest for like in part for digest in digests[like]]
            )
        }
        ids = {like: next((known[each] for each in digests[like] if each in known), None) for like in part}
        fresh = [like for like in part if ids[like] is None]
        rows = [
            {
                "id": uuid7(),
                "judged_set": judged_set,
                "query_text": queries[like].text,
                "query_hash": digests[like][0].hex(),
                "kinds": queries[like].kinds,
                "source": source,
            }
            for like in fresh
        ]
        if rows:
            await sql.add_queries(rows=dumps(rows))
            # Somebody else may have added one meanwhile; then that one is it.
            added = await sql.judged(judged_set=judged_set, hashes=[digests[like][0] for like in fresh])
            by_digest = {each.query_hash: each.id for each in added}
            ids |= {like: by_digest[digests[like][0]] for like in fresh}
        graded = [
            {"query_id": ids[like], "item_id": item, "grade": grade}
            for like in part
            for item, grade in sorted(queries[like].grades.items())
        ]
        stored += len(await sql.put_judgements(rows=dumps(graded), source=source))
    context().progress(len(likes), len(likes), "writing")
    if stored:
        context().record(JudgementsStored(judged_set=judged_set, stored=stored, source=source))
    return stored


@operation(effect="write", scope="search:judge", audience="operator", example={"judged_set": "from-feedback"})
async def derive_judgements(
    self: Service,
    *,
    judged_set: SetName,
    days: Annotated[int, Field(ge=1, le=366, description="Only feedback of so many days back.")] = 90,
    least: Annotated[int, Field(ge=1, le=1000, description="Only items of which so many searches say something.")] = 1,
) -> DerivedJudgements:
    """Draw judgements from feedback: a search that chose an item says 3, one that clicked it 1, one that rejected it 0.

    An item's grade is the mean of what the searches of a query say, halves rounded up. Hits that nobody touched are
    not judged: they may not have been looked at. The newest 50,000 verdicts count. A grade that somebody gave stays.
    """
    by_query: dict[bytes, dict[UUID, list[int]]] = defaultdict(lambda: defaultdict(list))
    for each in await sql.said(days=days, size=_SAID):
        by_query[each.query_hash][each.item_id].append(rules.grade(each.verdicts))
    words = {each.query_hash: each for each in await sql.words(hashes=[*by_query])} if by_query else {}
    queries: dict[bytes, _Query] = {}
    for digest, said in by_query.items():
        found = words.get(digest)
        if found is None or _fault(found.query_text) or not (grades := rules.grades(said, least)):
            continue
        query = queries.setdefault(likeness(found.query_text), _Query(found.query_text, found.kinds))
        query.grades |= grades
    stored = await _store(judged_set, queries, "feedback")
    return DerivedJudgements(
        judged_set=judged_set,
        queries=len(queries),
        stored=stored,
        unchanged=sum(len(each.grades) for each in queries.values()) - stored,
        lost=len(by_query) - len(words),
    )


@operation(effect="read", scope="search:read", audience="operator", example={"limit": 10})
async def judgements(
    self: Service,
    *,
    judged_set: Annotated[SetName | None, Field(description="Only of this set.")] = None,
    limit: PageSize = 50,
    cursor: Cursor = None,
) -> Page[Judgement]:
    """Judgements, query by query."""
    query = ["search.judgements", context().tenant, judged_set]
    after = decode_cursor(query, cursor, parts=(UUID, UUID)) or [NOBODY, NOBODY]
    rows = await sql.page(judged_set=judged_set, after_query=after[0], after_item=after[1], size=limit + 1)
    return Page.cut(rows, limit=limit, query=query, key=lambda row: [row.id, row.item_id])


@operation(effect="read", scope="search:read", audience="operator", mode="single", example={})
async def judged_sets(self: Service) -> list[JudgedSet]:
    """The judged sets, by name; the first thousand."""
    return await sql.sets()


@operation(effect="destroy", scope="search:judge", audience="operator", example={"judged_set": "everyday"})
async def forget_judgements(self: Service, *, judged_set: SetName) -> JudgedSet:
    """Remove a judged set.

    Raises:
        JudgedSetNotFound: there is none of this name.
    """
    size = await sql.count_set(judged_set=judged_set)
    gone = await sql.forget(judged_set=judged_set)
    if not gone:
        raise not_found(judged_set)
    context().record(JudgementsForgotten(judged_set=judged_set, queries=len(gone)))
    return JudgedSet(judged_set=judged_set, queries=len(gone), judgements=size.judgements)


@forget_judgements.plan
async def _plan(self: Service, *, judged_set: SetName) -> Plan:
    size = await sql.count_set(judged_set=judged_set)
    if not size.queries:
        raise not_found(judged_set)
    return Plan(summary=f"The judged set {judged_set} would go.", counts=size.model_dump())


def not_found(judged_set: str) -> JudgedSetNotFound:
    """What to say of a set that does not exist."""
    return JudgedSetNotFound(
        f"There is no judged set {judged_set!r} here; `search.judged_sets` shows those that exist.",
        judged_set=judged_set,
    )
