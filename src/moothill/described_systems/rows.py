"""The rows behind `docs/reference/described-systems.md`, read from the data files beside this module."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from types import MappingProxyType
from typing import Any, NoReturn

from moothill.kernel.errors import Invalid, near_match

__all__ = [
    "CAPABILITIES",
    "KINDS",
    "TARGETS",
    "DescribedSystem",
    "InvalidDescription",
    "Row",
    "load",
    "parse",
]

KINDS: Mapping[str, str] = MappingProxyType(
    {
        "table": "Tables",
        "columns": "Column groups",
        "enum": "Value sets",
        "view": "Views",
        "function": "Functions",
        "trigger": "Triggers",
        "policy": "Policies",
        "constraint": "Constraints",
        "index": "Index classes",
        "partition": "Partitions",
        "role": "Roles",
        "extension": "Extensions",
        "environment": "Environment variables",
        "session": "Session settings",
        "server": "Server settings",
        "command": "Commands",
        "job": "Scheduled jobs and maintenance",
        "query": "Published queries",
        "api": "Client methods",
        "type": "Client types",
        "http": "HTTP endpoints",
        "message": "Queues, exchanges and routing keys",
        "seed": "Development data",
        "rule": "Rules and constants",
        "acceptance": "Acceptance criteria and quality gates",
        "target": "Numbers promised",
        "document": "Documents promised",
    }
)
"""Kinds of thing that a description names, in the order of the reference page."""

CAPABILITIES: Mapping[str, str] = MappingProxyType(
    {
        "tenancy": "isolation levels, grants, quotas and statistics of tenants",
        "privacy": "differential privacy, group sizes and federated aggregates",
        "audit": "who read or changed what, with the real actor",
        "relationships": "typed edges between agents, traversal, paths and centrality",
        "hybrid search": "text, vectors and graph together, at every tenant size",
        "tasks": "queue, leases, dependencies, artifacts and progress",
        "council": "judges, opinions, debate and verdicts",
        "waivers": "specifications, gates, waivers and violations of rules",
        "provenance": "signed log with proofs, chains and commits",
        "performance": "events, benchmarks, anomalies and training batches",
        "monitoring": "metrics, objectives, error budgets and alerts",
        "retention": "partitions, archives and what leaves when",
        "backup": "backup, verification and recovery to a point in time",
        "maintenance": "statistics, reindexing, advice and reports about the database",
        "voting": "sessions, ballots, methods, tallies and recounts",
        "brainstorming": "sessions, ideas, combinations and idea votes",
        "reputation": "trust between agents, peer ratings and levels",
        "battles": "contests, ratings and prizes",
        "leaderboards": "rankings, seasons and the hall of fame",
        "gamification": "points, tiers, achievements and streaks",
        "mentorship": "pairings, sessions, curriculum and mastery",
        "rewards": "pools, allocations, permissions and boosts",
        "penalties": "violations of conduct, penalties, appeals and retraining",
        "event relay": "webhooks, the message broker and handlers of events",
        "simulation": "a repeatable society, and development data for a tenant",
        "cluster": "several servers, replicas and a pooler",
        "documentation": "guides, reference and plans",
        "release": "load tests, hardening and packages",
    }
)
"""Plain titles of capabilities that a row may be planned for."""

TARGETS: Mapping[str, re.Pattern[str]] = MappingProxyType(
    {
        "operation": re.compile(r"[a-z]+(_[a-z]+)*\.[a-z]+(_[a-z]+)*"),
        "view": re.compile(r"[a-z][a-z0-9_]*"),
        "table": re.compile(r"[a-z][a-z0-9_]*"),
        "setting": re.compile(r"[A-Z][A-Z0-9_]*"),
        "command": re.compile(r"moothill( [a-z][a-z-]*)+"),
        "route": re.compile(r"(/[a-z][a-z_-]*)+"),
        "decision": re.compile(r"\d{4}(-[a-z0-9]+)+"),
    }
)
"""What may carry a row here, and how its name is written."""

_TEXTS = ("kind", "name", "origin", "table", "facts", "planned", "refused")
_LISTS = ("columns", "carried_by")
_ORIGINS = ("document", "code")


class InvalidDescription(Invalid):
    """A row about a described system breaks a rule of its file."""


@dataclass(frozen=True, slots=True)
class Row:
    """One thing that a described system names, and what became of it.

    Attributes:
        kind: a key of `KINDS`.
        name: its name there; unique within its kind and system.
        facts: what it was, in a few words.
        origin: `document` when its description names it, `code` when only its public code does.
        carried_by: targets `kind:name`, the kind being a key of `TARGETS`.
        planned: the capability that will carry it, or what is still missing of it.
        refused: why nothing carries it; excludes the two above.
        table: for a column group, the table it belongs to.
        columns: for a column group, its columns.
        column_count: for a table, the number of columns that its groups must cover.
    """

    kind: str
    name: str
    facts: str
    origin: str = "document"
    carried_by: tuple[str, ...] = ()
    planned: str = ""
    refused: str = ""
    table: str = ""
    columns: tuple[str, ...] = ()
    column_count: int | None = None

    @property
    def state(self) -> str:
        """One of here, partly here, planned, decided (by a note alone), refused."""
        if self.refused:
            return "refused"
        if self.planned:
            return "partly here" if self.carried_by else "planned"
        return "decided" if all(target.startswith("decision:") for target in self.carried_by) else "here"


@dataclass(frozen=True, slots=True)
class DescribedSystem:
    """One described system: its letter, what it is, and a row for each thing it names."""

    letter: str
    title: str
    rows: tuple[Row, ...]


def load() -> tuple[DescribedSystem, ...]:
    """All described systems, in order.

    Raises:
        InvalidDescription: a file breaks a rule; the message names file, row and field.
    """
    folder = files(__package__)
    names = ("a.toml", "b.toml", "c.toml")
    return tuple(parse((folder / name).read_text(encoding="utf-8"), source=name) for name in names)


def parse(text: str, *, source: str) -> DescribedSystem:
    """A described system from the text of its file.

    Args:
        text: TOML with `system`, `title` and an array `row`.
        source: name of the file, for messages.

    Raises:
        InvalidDescription: not TOML, or a row breaks a rule.
    """
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InvalidDescription(f"{source} is not valid TOML: {error}.", source=source) from None
    if unknown := data.keys() - {"system", "title", "row"}:
        _refuse(source, f"unknown key {min(unknown)}")
    for key, kind in (("system", str), ("title", str), ("row", list)):
        if not isinstance(data.get(key), kind) or not data[key]:
            _refuse(source, f"{key} is missing or empty")
    rows = tuple(_row(raw, f"{source}, row {number}") for number, raw in enumerate(data["row"], 1))
    _check_uniqueness(rows, source)
    _check_columns(rows, source)
    return DescribedSystem(letter=data["system"], title=data["title"], rows=rows)


def _refuse(where: str, what: str, hint: str = "") -> NoReturn:
    raise InvalidDescription(f"{where}: {what}.{hint}", where=where)


def _row(raw: Any, where: str) -> Row:
    if not isinstance(raw, dict):
        _refuse(where, "a row must be a table")
    where = f'{where} ({raw.get("kind", "?")} "{raw.get("name", "?")}")'
    known = {*_TEXTS, *_LISTS, "column_count"}
    if unknown := raw.keys() - known:
        key = min(unknown)
        _refuse(where, f"unknown field {key}", near_match(key, sorted(known)))
    for key in _TEXTS:
        if key in raw and (not isinstance(raw[key], str) or not raw[key].strip()):
            _refuse(where, f"{key} must be a text that is not empty")
    for key in _LISTS:
        value = raw.get(key, [])
        if not isinstance(value, list) or not all(isinstance(item, str) and item for item in value):
            _refuse(where, f"{key} must be a list of texts")
        if len(set(value)) != len(value):
            _refuse(where, f"{key} names something twice")
    for key in ("kind", "name", "facts"):
        if key not in raw:
            _refuse(where, f"{key} is missing")
    row = Row(**{**raw, **{key: tuple(raw.get(key, ())) for key in _LISTS}})
    _check_row(row, where)
    return row


def _check_row(row: Row, where: str) -> None:
    if row.kind not in KINDS:
        _refuse(where, f"unknown kind {row.kind}", near_match(row.kind, KINDS))
    if row.origin not in _ORIGINS:
        _refuse(where, f"origin must be one of {', '.join(_ORIGINS)}")
    if row.planned and row.planned not in CAPABILITIES:
        _refuse(where, f"unknown capability {row.planned}", near_match(row.planned, CAPABILITIES))
    if not (row.carried_by or row.planned or row.refused):
        _refuse(where, "nothing carries it; give carried_by, planned or refused")
    if row.refused and (row.carried_by or row.planned):
        _refuse(where, "it is refused, so it cannot be carried or planned as well")
    for target in row.carried_by:
        kind, _, name = target.partition(":")
        if kind not in TARGETS:
            _refuse(where, f"target {target} must start with one of {', '.join(TARGETS)}")
        if not TARGETS[kind].fullmatch(name):
            _refuse(where, f"target {target}: {kind} names are not written like that")
    if {bool(row.table), bool(row.columns)} != {row.kind == "columns"}:
        _refuse(where, "table and columns belong to column groups, which need both")
    count = row.column_count
    if count is not None and (row.kind != "table" or type(count) is not int or count < 1):
        _refuse(where, "column_count is a positive number, on tables alone")


def _check_uniqueness(rows: tuple[Row, ...], source: str) -> None:
    seen: set[tuple[str, str]] = set()
    for row in rows:
        if (row.kind, row.name) in seen:
            _refuse(source, f'{row.kind} "{row.name}" is listed twice')
        seen.add((row.kind, row.name))


def _check_columns(rows: tuple[Row, ...], source: str) -> None:
    """Column groups of a table are disjoint, and together as many as the table has."""
    counts = {row.name: row.column_count for row in rows if row.kind == "table" and row.column_count}
    covered: dict[str, list[str]] = {name: [] for name in counts}
    for row in rows:
        if row.kind != "columns":
            continue
        if row.table not in covered:
            _refuse(source, f'column group "{row.name}": table {row.table} has no row with a column_count')
        covered[row.table].extend(row.columns)
    for table, columns in covered.items():
        if twice := {column for column in columns if columns.count(column) > 1}:
            _refuse(source, f"column {table}.{min(twice)} stands in two groups")
        if len(columns) != counts[table]:
            _refuse(source, f"{table} has {counts[table]} columns, its groups cover {len(columns)}")
