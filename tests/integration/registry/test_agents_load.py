"""Catalogue import: whole or not at all, idempotent, and faithful."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from moothill.database.embedded import EmbeddedServer
from moothill.kernel.errors import Invalid, NotFound
from moothill.moot import Moot
from moothill.registry.agents import AgentFilter, AgentPatch, Heartbeat
from moothill.registry.agents.errors import CatalogueRefused
from moothill.registry.agents.formats import CapabilityEntry, CatalogueEntry
from moothill.registry.capabilities.models import CapabilityFilter
from tests.integration.registry.log import events_of

CARD = (
    b'{ "name": "Weather  Agent",\n  "description": "Says what the weather will be. It never lies.",'
    b' "version": "1.0.0", "supportedInterfaces": [{"url": "https://weather.example/a2a", "protocolBinding":'
    b' "JSONRPC", "protocolVersion": "1.0"}], "capabilities": {}, "defaultInputModes": ["text/plain"],'
    b' "defaultOutputModes": ["text/plain"], "skills": [{"id": "forecast", "name": "what the weather will be",'
    b' "description": "For\\u00e9casts.", "tags": ["weather"]}], "x-unknown": [1, 2.50] }\n'
)


def line(agent_id: str = "writer", **more: Any) -> str:
    return json.dumps({"agent_id": agent_id, "name": agent_id.title(), **more})


def lines(*texts: str) -> str:
    return "\n".join(texts)


WRITER = line(
    description="Drafts reports. Edits texts.",
    type="worker",
    tags=["text", "english"],
    specialisations=["reports"],
    capabilities=[
        {"name": "draft reports", "mention": {"text": "Drafts reports", "start": 0, "end": 14}},
        {"name": "edit texts", "aliases": ["editing"], "confidence": "0.90"},
    ],
    skills=[{"name": "english", "proficiency": 9, "experience": 1200}],
    metadata={"since": 2020},
)


async def test_a_catalogue_is_imported_with_all_that_it_says(moot: Moot, server: EmbeddedServer) -> None:
    report = await moot.agents.load(content=WRITER, file="agents.jsonl")
    assert (report.created, report.updated, report.unchanged, report.capabilities) == (1, 0, 0, 2)
    assert report.format == "jsonl"
    agent = await moot.agents.get(agent="writer")
    assert (agent.type, agent.tags, agent.specialisations) == ("worker", ["text", "english"], ["reports"])
    assert (agent.metadata, agent.source_format, agent.version) == ({"since": 2020}, "jsonl", 1)
    (skill,) = (await moot.agents.skills(agent="writer")).items
    assert (skill.proficiency, skill.experience_points) == (9, 1200)
    draft, edit = (await moot.capabilities.list(filter=CapabilityFilter(agent="writer"))).items
    assert (draft.name, edit.aliases, str(edit.confidence)) == ("draft reports", ["editing"], "0.90")
    (shown,) = (await moot.capabilities.evidence(capability=str(draft.id))).items
    assert (shown.mention, shown.sentence, shown.chunk_id) == ("Drafts reports", "Drafts reports.", agent.id)
    assert agent.description[shown.start_position : shown.end_position] == shown.mention
    assert [a.agent_id for a in (await moot.agents.list(filter=AgentFilter(tag="text"))).items] == ["writer"]
    assert [a.agent_id for a in (await moot.agents.list(filter=AgentFilter(capability="editing"))).items] == ["writer"]
    assert [hit.key for hit in (await moot.search.find(text="edit a text", kinds=["agent"])).hits] == ["writer"]
    ((_, subjects, payload, _),) = await events_of(server, moot, "agents.loaded")
    assert (subjects, payload["file"], payload["created"]) == ([agent.id], "agents.jsonl", 1)


async def test_importing_again_changes_nothing_and_says_so(moot: Moot, server: EmbeddedServer) -> None:
    await moot.agents.load(content=WRITER)
    before = await moot.agents.get(agent="writer")
    again = await moot.agents.load(content=WRITER)
    assert (again.created, again.updated, again.unchanged) == (0, 0, 1)
    assert await moot.agents.get(agent="writer") == before
    assert len(await events_of(server, moot, "agents.loaded")) == 1


async def test_what_was_changed_here_stays_as_long_as_the_catalogue_says_the_same(moot: Moot) -> None:
    await moot.agents.load(content=WRITER)
    await moot.agents.update(agent="writer", version=1, changes=AgentPatch(name="My Writer"))
    await moot.agents.load(content=WRITER)
    assert (await moot.agents.get(agent="writer")).name == "My Writer"


async def test_a_changed_record_is_taken_over_and_what_was_learnt_stays(moot: Moot) -> None:
    await moot.agents.load(content=WRITER)
    await moot.agents.heartbeat(beats=[Heartbeat(agent="writer", status="busy", active_tasks=2)])
    await moot.capabilities.demonstrate(capability="draft reports", agent="writer")
    await moot.capabilities.reject(capability="edit texts", agent="writer")
    await moot.capabilities.add(agent="writer", capabilities=[{"name": "by hand"}])  # type: ignore[list-item]
    changed = line(
        description="Writes letters. Drafts reports.",
        tags=["english"],
        capabilities=[{"name": "write letters"}, {"name": "Edit  Texts", "description": "Again."}],
    )
    report = await moot.agents.load(content=changed)
    assert (report.created, report.updated) == (0, 1)
    agent = await moot.agents.get(agent="writer")
    assert (agent.description, agent.tags, agent.version) == ("Writes letters. Drafts reports.", ["english"], 2)
    assert (agent.status, agent.active_tasks) == ("busy", 2)
    assert (await moot.agents.list(filter=AgentFilter(tag="text"))).items == []
    found = {each.name: each for each in (await moot.capabilities.list(filter=CapabilityFilter(agent="writer"))).items}
    assert set(found) == {"draft reports", "Edit  Texts", "by hand", "write letters"}
    assert found["draft reports"].demonstration_count == 1
    assert found["Edit  Texts"].validation_status == "rejected"
    # Its words moved within the description, so the place that was remembered is forgotten.
    assert (await moot.capabilities.evidence(capability="draft reports", agent="writer")).items == []
    third = await moot.agents.load(content=line(capabilities=["edit texts"]))
    assert third.updated == 1
    names = {each.name for each in (await moot.capabilities.list(filter=CapabilityFilter(agent="writer"))).items}
    assert names == {"draft reports", "edit texts", "by hand"}


async def test_a_bad_record_refuses_the_whole_file_unless_it_is_passed_over(moot: Moot) -> None:
    text = lines(line("a"), line("b", type="wizard"), line("c", capabilities=["x" * 501]), line("d"))
    with pytest.raises(CatalogueRefused, match=r"catalogue\.jsonl, record 2 \(line 2\): type .* 1 more bad") as refused:
        await moot.agents.load(content=text, file="catalogue.jsonl")
    assert [problem["record"] for problem in refused.value.context["problems"]] == [2, 3]
    assert (await moot.agents.statistics()).total == 0
    seen = await moot.agents.load(content=text, file="catalogue.jsonl", dry_run=True)
    assert (seen.created, seen.skipped, seen.problems_total, seen.preview) == (2, 2, 2, True)
    assert seen.problems[0].field == "type"
    assert (await moot.agents.statistics()).total == 0
    done = await moot.agents.load(content=text, skip_bad=True)
    assert (done.records, done.created, done.skipped) == (4, 2, 2)
    assert [agent.agent_id for agent in (await moot.agents.list()).items] == ["a", "d"]


async def test_names_that_normalisation_makes_one_are_a_bad_record(moot: Moot) -> None:
    text = line("a", capabilities=["file review", "ﬁle review"])
    with pytest.raises(CatalogueRefused, match="there twice"):
        await moot.agents.load(content=text)


async def test_a_mention_longer_than_evidence_holds_is_a_bad_record(moot: Moot) -> None:
    text = line(
        description="x" * 600, capabilities=[{"name": "read", "mention": {"text": "x" * 600, "start": 0, "end": 600}}]
    )
    with pytest.raises(CatalogueRefused, match=r"capabilities\[0\]\.mention .* 500 characters"):
        await moot.agents.load(content=text)


async def test_entries_may_be_given_instead_of_a_text(moot: Moot) -> None:
    entries = [
        CatalogueEntry(agent_id="a", name="A", capabilities=(CapabilityEntry(name="read"),)),
        CatalogueEntry(agent_id="b", name="B"),
    ]
    report = await moot.agents.load(entries=entries)
    assert (report.created, report.format) == (2, None)
    assert (await moot.agents.load(entries=entries)).unchanged == 2
    with pytest.raises(CatalogueRefused, match="record 2: agent_id is the same as that of record 1"):
        await moot.agents.load(entries=[entries[0], entries[0]])


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"content": "x", "entries": []},
        {"content": "what is this?"},
        {"content": ""},
        {"content": "[]", "format": "xml"},
        {"content": "a\x00b"},
        {"content": WRITER, "file": "x" * 256},
    ],
)
async def test_bad_input_is_invalid_and_changes_nothing(moot: Moot, arguments: dict[str, Any]) -> None:
    with pytest.raises(Invalid):
        await moot.agents.load(**arguments)
    assert (await moot.agents.statistics()).total == 0


async def test_a_card_goes_out_byte_for_byte_as_it_came_in(moot: Moot) -> None:
    report = await moot.agents.load(content=CARD.decode(), format="a2a")
    assert report.created == 1
    (agent,) = (await moot.agents.list()).items
    card = await moot.agents.card(agent=agent.agent_id)
    assert card.content.encode() == CARD
    assert card.original
    skill, _ = (await moot.capabilities.list()).items
    (shown,) = (await moot.capabilities.evidence(capability=str(skill.id))).items
    assert shown.sentence == "Says what the weather will be."
    # Once the agent comes from elsewhere, the old card is no longer its own.
    await moot.agents.load(content=line(agent.agent_id, url="https://weather.example/new"))
    made = await moot.agents.card(agent=agent.agent_id)
    assert not made.original


async def test_two_imports_of_one_file_at_once_make_each_agent_once(moot: Moot) -> None:
    """A25: no check before the write; the unique key decides, and locks are taken in one order."""
    text = lines(*(line(f"agent-{n}", capabilities=[f"thing {n}", "read"]) for n in range(40)))
    reversed_text = lines(*reversed(text.splitlines()))
    await asyncio.gather(*(moot.agents.load(content=each) for each in (text, reversed_text, text)))
    assert (await moot.agents.statistics()).total == 40
    assert len((await moot.capabilities.list(limit=1000)).items) == 80
    assert (await moot.agents.load(content=text)).unchanged == 40


async def test_more_agents_than_a_statement_takes_are_one_import(moot: Moot, server: EmbeddedServer) -> None:
    text = lines(*(line(f"agent-{n:04}") for n in range(1101)))
    assert (await moot.agents.load(content=text)).created == 1101
    ((_, subjects, _, _),) = await events_of(server, moot, "agents.loaded")
    assert len(subjects) == 1101


async def test_an_import_stays_in_its_tenant(moot: Moot, other: Moot) -> None:
    await moot.agents.load(content=WRITER)
    with pytest.raises(NotFound):
        await other.agents.get(agent="writer")
    assert (await other.agents.load(content=WRITER)).created == 1
    assert (await moot.agents.load(content=WRITER)).unchanged == 1


async def test_a_deactivated_agent_is_updated_and_stays_away(moot: Moot) -> None:
    await moot.agents.load(content=WRITER)
    await moot.agents.deactivate(agent="writer")
    assert (await moot.agents.load(content=line(description="Writes letters."))).updated == 1
    assert (await moot.agents.get(agent="writer")).deactivated_at is not None
    assert (await moot.search.find(text="letters")).hits == []


async def test_the_real_registry_is_imported_and_found(moot: Moot, shared_data: Path) -> None:
    text = (shared_data / "mcp_registry_2025_05_16.json").read_text(encoding="utf-8")
    report = await moot.agents.load(content=text, file="registry.json", skip_bad=True)
    assert report.records == 470
    assert report.created + report.skipped == 470
    assert report.created >= 460
    again = await moot.agents.load(content=text, file="registry.json", skip_bad=True)
    assert (again.created, again.updated, again.unchanged) == (0, 0, report.created)
    for wanted, word in (
        ("send a message to a Slack channel", "slack"),
        ("manage a Kubernetes cluster", "kubernetes"),
        ("control a browser", "browser"),
    ):
        chosen = await moot.agents.choose(capability=wanted, limit=3)
        assert any(
            word in choice.agent.agent_id or word in choice.agent.description.lower() for choice in chosen.choices
        )
