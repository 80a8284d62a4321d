"""MCP registry records: every published shape, the rules that derive capabilities, and the real file."""

import json
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from moothill.registry.agents.formats import BadRecord, CatalogueEntry, CatalogueItem, SkippedRecord, read
from moothill.registry.agents.formats.mcp_registry import name_words

# Outside the repository, beside it: published data that is not ours to commit.
REAL_FILE = Path(__file__).resolve().parents[3] / "shared" / "data" / "mcp_registry_2025_05_16.json"
OFFICIAL = "io.modelcontextprotocol.registry/official"

SEED = {
    "id": "5f0a",
    "name": "io.github.korotovsky/slack-mcp-server",
    "description": "The most powerful MCP Slack Server with Stdio and SSE transports! ",
    "repository": {"url": "https://github.com/korotovsky/slack-mcp-server", "source": "github", "id": "9"},
    "version_detail": {"version": "0.0.1-seed", "release_date": "2025-05-16T19:00:00Z", "is_latest": True},
    "packages": [
        {
            "registry_name": "npm",
            "name": "slack-mcp-server",
            "version": "1.2",
            "environment_variables": [{"name": "SLACK_TOKEN", "value": "xoxb-secret", "description": "<token>"}],
        },
        {"registry_name": "unknown", "name": "x", "version": ""},
    ],
}
MODERN = {
    "$schema": "https://static.modelcontextprotocol.io/schemas/2025-12-11/server.schema.json",
    "name": "com.example/browser",
    "title": "Example Browser",
    "description": "Drives a browser.",
    "version": "2.0.1",
    "websiteUrl": "https://example.com/browser",
    "repository": {"url": "https://github.com/example/browser", "source": "github", "subfolder": "src"},
    "packages": [
        {
            "registryType": "oci",
            "identifier": "example/browser",
            "version": "2.0.1",
            "transport": {"type": "stdio"},
            "environmentVariables": [{"name": "KEY", "isSecret": True}],
        }
    ],
    "remotes": [
        {"type": "sse", "url": "http://localhost:3001/sse"},
        {"type": "streamable-http", "url": "https://mcp.example.com/mcp?key=<TOKEN>", "headers": []},
    ],
    "_meta": {"io.modelcontextprotocol.registry/publisher-provided": {"tool": "ci", "build": 1.5}},
}


def records(*servers: Any, **page: Any) -> list[CatalogueItem]:
    data = {"servers": list(servers), **page} if page else list(servers)
    return list(read(json.dumps(data).encode(), file="f.json", format="mcp"))


def entry(server: dict[str, Any]) -> CatalogueEntry:
    (item,) = records(server)
    assert isinstance(item, CatalogueEntry), item
    return item


def by_name(server: dict[str, Any]) -> dict[str, Any]:
    return {capability.name: capability for capability in entry(server).capabilities}


def test_a_record_of_the_seed_file_becomes_an_agent() -> None:
    agent = entry(SEED)
    assert agent.agent_id == "io.github.korotovsky/slack-mcp-server"
    assert (agent.name, agent.provider, agent.version) == ("slack-mcp-server", "korotovsky", "0.0.1-seed")
    assert agent.description == SEED["description"].strip()  # type: ignore[attr-defined]
    assert agent.tags == ("mcp", "npm", "slack")
    assert agent.url == "https://github.com/korotovsky/slack-mcp-server"
    assert (agent.type, agent.model_family, agent.card, agent.skills) == ("specialist", "unknown", None, ())


def test_a_record_of_todays_schema_becomes_an_agent() -> None:
    agent = entry(MODERN)
    assert (agent.agent_id, agent.name, agent.provider) == (
        "com.example/browser",
        "Example Browser",
        "example.com",
    )
    assert agent.version == "2.0.1"
    assert agent.url == "https://mcp.example.com/mcp"
    assert agent.tags == ("mcp", "oci", "browser")
    assert set(by_name(MODERN)) == {
        *("Drives a browser.", "Docker", "browser"),
        *("MCP over sse", "MCP over streamable-http"),
    }
    assert agent.metadata["publisher"] == {"tool": "ci", "build": 1.5}
    assert agent.metadata["schema"] == MODERN["$schema"]


def test_capabilities_follow_the_stated_rules_with_positions_as_evidence() -> None:
    """Confidence never lies below 0.7, the floor of the column (guards A32)."""
    agent = entry(SEED)
    claim, npm, slack = agent.capabilities
    assert (claim.type, claim.name, claim.aliases) == ("CAPABILITY", agent.description, ("slack",))
    assert (npm.type, npm.name, npm.aliases) == ("TECHNOLOGY", "npm", ("node.js", "javascript"))
    assert (slack.type, slack.name) == ("CONCEPT", "slack")
    assert [(c.confidence, c.extraction_confidence) for c in agent.capabilities] == [
        (Decimal("0.70"), Decimal("1.00")),
        (Decimal("0.90"), Decimal("1.00")),
        (Decimal("0.70"), Decimal("0.60")),
    ]
    assert {capability.extraction_method for capability in agent.capabilities} == {"rule-based"}
    assert slack.mention is not None
    assert agent.description[slack.mention.start : slack.mention.end] == slack.mention.text == "Slack"
    assert npm.mention is None


def test_what_a_package_wants_in_its_environment_is_kept_by_name_only() -> None:
    agent = entry(SEED)
    assert "SLACK_TOKEN" in agent.model_dump_json()
    assert "xoxb-secret" not in agent.model_dump_json()
    assert "TOKEN>" not in entry(MODERN).model_dump_json()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("slack-mcp-server", ["slack"]),
        ("mcp-k8s-go", ["kubernetes", "go"]),
        ("browser-use-mcp-server", ["browser", "use"]),
        ("SlackMcpServer", ["slack"]),
        ("GitHub_MCP", ["github"]),
        ("mcp-server-db.search-search", ["database", "search"]),
        ("mcp", []),
        ("", []),
        ("日本語-mcp", ["日本語"]),
    ],
)
def test_the_telling_words_of_a_name_are_found(name: str, words: list[str]) -> None:
    assert name_words(name) == words


def test_a_name_that_tells_nothing_takes_its_owners() -> None:
    agent = entry({"name": "io.github.hyperbrowserai/mcp"})
    assert (agent.name, agent.tags) == ("hyperbrowserai/mcp", ("mcp", "hyperbrowserai"))
    assert [capability.name for capability in agent.capabilities] == ["hyperbrowserai"]


def test_a_long_description_gives_its_first_sentences_as_the_capability() -> None:
    text = "Searches the web. " * 12 + "y" * 400
    (claim, *_) = entry({"name": "a/b", "description": text}).capabilities
    assert claim.name == ("Searches the web. " * 12).strip()
    (claim, *_) = entry({"name": "a/b", "description": "z" * 600}).capabilities
    assert len(claim.name) == 500
    two_lines = entry({"name": "a/b", "description": "One\tline.\nAnother."})
    assert two_lines.capabilities[0].name == "One line."
    assert two_lines.capabilities[0].mention is not None
    assert two_lines.capabilities[0].mention.text == "One\tline."


@pytest.mark.parametrize("wrap", [lambda r: [r], lambda r: {"servers": [r], "metadata": {"count": 1}}, lambda r: r])
@pytest.mark.parametrize(
    "envelope",
    [lambda r: r, lambda r: {"server": r, "_meta": {OFFICIAL: {"isLatest": True, "status": "active"}}}],
)
def test_pages_lists_and_envelopes_give_the_same_agent(wrap: Any, envelope: Any) -> None:
    (item,) = read(json.dumps(wrap(envelope(MODERN))).encode())
    assert isinstance(item, CatalogueEntry)
    assert item.agent_id == "com.example/browser"


@pytest.mark.parametrize("join", [b"\n".join, lambda pages: b"[" + b",".join(pages) + b"]"])
def test_pages_may_come_one_to_a_line_or_in_a_list(join: Any) -> None:
    pages = [
        json.dumps({"metadata": {"next": "c"}, "servers": [{"name": "a/one"}, {"name": "a/two"}]}).encode(),
        json.dumps({"servers": [], "metadata": {}}).encode(),
        json.dumps({"servers": [{"name": "a/three"}]}).encode(),
    ]
    items = list(read(join(pages)))
    assert [(item.record, item.agent_id) for item in items if isinstance(item, CatalogueEntry)] == [
        (1, "a/one"),
        (2, "a/two"),
        (3, "a/three"),
    ]


def test_a_page_that_is_longer_than_a_record_may_be_is_read_record_by_record() -> None:
    servers = [{"name": f"a/s{number}", "description": "x" * 5_000} for number in range(400)]
    items = records(*servers, metadata={})
    assert sum(isinstance(item, CatalogueEntry) for item in items) == len(items) == 400


def test_what_stands_around_a_pages_list_must_be_sound_too() -> None:
    items = list(read(b'{"a": 1, "servers": [{"name": "a/b"}], "a": 2}'))
    assert isinstance(items[0], CatalogueEntry)
    assert isinstance(items[1], BadRecord)
    assert (items[1].field, items[1].reason) == (
        "a",
        "stands twice in the same object (in the page around the records)",
    )
    assert isinstance(list(read(b'{"servers": [{"name": "a/b"}], "servers": []}'))[-1], BadRecord)


@pytest.mark.parametrize(
    "old",
    [
        {"name": "a/b", "version_detail": {"version": "1", "is_latest": False}},
        {"server": {"name": "a/b"}, "_meta": {OFFICIAL: {"isLatest": False}}},
        {"server": {"name": "a/b"}, "x-io.modelcontextprotocol.registry": {"is_latest": False}},
        {"name": "a/b", "_meta": {OFFICIAL: {"is_latest": False}}},
    ],
)
def test_a_version_that_is_not_the_latest_is_passed_over_in_a_list_but_read_alone(
    old: dict[str, Any],
) -> None:
    first, second = records(old, {"name": "a/b", "version": "2"})
    assert isinstance(first, SkippedRecord)
    assert (first.file, first.record, first.agent_id) == ("f.json", 1, "a/b")
    assert first.reason == "is not the latest version in its registry"
    assert isinstance(second, CatalogueEntry)
    (alone,) = read(json.dumps(old).encode(), format="mcp")
    assert isinstance(alone, CatalogueEntry)


def test_a_deleted_server_is_passed_over_and_a_deprecated_one_is_marked() -> None:
    (deleted,) = records({"name": "a/b", "status": "deleted"})
    assert isinstance(deleted, SkippedRecord)
    assert "deprecated" in entry({"name": "a/b", "status": "deprecated"}).tags


@pytest.mark.parametrize(
    ("server", "field", "reason"),
    [
        ({}, "name", "is missing"),
        ({"name": " "}, "name", "is empty"),
        ({"name": 5}, "name", "is not a text"),
        ({"name": "a/" + "b" * 254}, "name", "more than 255"),
        ({"name": "a/b\n"}, "", ""),
        ({"name": "a\nb"}, "name", "line break"),
        ({"name": "a/b", "description": "x" * 10_001}, "description", "more than 10000"),
        ({"name": "a/b", "description": "x\x07"}, "description", "control character"),
        ({"name": "a/b", "version": "x" * 300}, "version", "at most 255"),
        ({"name": "a/b", "packages": {}}, "packages", "is not a list"),
        ({"name": "a/b", "packages": ["npm"]}, "packages[0]", "is not an object"),
        ({"name": "a/b", "packages": [{"registry_name": 1}]}, "packages[0].registry_name", "is not a text"),
        (
            {"name": "a/b", "packages": [{"registryType": "x" * 101}]},
            "packages[0].registryType",
            "more than 100",
        ),
        ({"name": "a/b", "remotes": [{"url": []}]}, "remotes[0].url", "is not a text"),
        ({"name": "a/b", "repository": "url"}, "repository", "is not an object"),
        (
            {"name": "a/b", "version_detail": {"is_latest": "no"}},
            "version_detail.is_latest",
            "is not true or false",
        ),
        ({"server": {"name": "a/b", "title": 1}}, "server.title", "is not a text"),
        (
            {"name": "a/b", "_meta": {"io.modelcontextprotocol.registry/publisher-provided": 10**30}},
            "metadata",
            "too large",
        ),
    ],
)
def test_a_bad_record_is_named_with_file_number_field_and_reason(
    server: dict[str, Any], field: str, reason: str
) -> None:
    good, item = records({"name": "x/good"}, server)
    assert isinstance(good, CatalogueEntry)
    if not reason:
        assert isinstance(item, CatalogueEntry)
        return
    assert isinstance(item, BadRecord)
    assert (item.file, item.record, item.field) == ("f.json", 2, field)
    assert reason in item.reason


def test_the_real_registry_file_is_read_whole(capsys: pytest.CaptureFixture[str]) -> None:
    """Each named record becomes an agent; each blank one (the file has seven) is reported, not invented."""
    if not REAL_FILE.is_file():
        pytest.skip(f"{REAL_FILE.name} is not here; it lies beside the repository, not in it")
    data = REAL_FILE.read_bytes()
    source = json.loads(data)
    assert len(source) == 470
    before = time.perf_counter()
    items = list(read(data, file=REAL_FILE.name))
    seconds = time.perf_counter() - before
    with capsys.disabled():
        print(f"\n{len(items)} records of {REAL_FILE.name} read in {seconds:.2f} s")
    assert len(items) == len(source)
    for number, (item, record) in enumerate(zip(items, source, strict=True), start=1):
        if record["name"]:
            assert isinstance(item, CatalogueEntry), item
            assert (item.record, item.agent_id) == (number, record["name"])
            assert item.description == record["description"].strip()
            assert item.capabilities
        else:
            assert isinstance(item, SkippedRecord)
            assert (item.file, item.record) == (REAL_FILE.name, number)
            assert "blank" in item.reason
    entries = [item for item in items if isinstance(item, CatalogueEntry)]
    for word, least in {"slack": 1, "kubernetes": 4, "browser": 2}.items():
        assert sum(word in found.tags for found in entries) >= least
    for found in entries:
        for capability in found.capabilities:
            if capability.mention:
                place = slice(capability.mention.start, capability.mention.end)
                assert found.description[place] == capability.mention.text
