"""MCP registry records: servers that agents use, catalogued as agents.

Read are the seed file of the registry (snake_case, `version_detail`), `server.json` of every published
schema (snake_case, then camelCase), and what the registry's API answers: pages (`{"servers": [...]}`)
and records in an envelope (`{"server": {...}, "_meta": {...}}`).

Who it is
    agent_id    the record's `name` (reverse DNS, such as `io.github.korotovsky/slack-mcp-server`), which
                is the same for all versions of a server
    name        `title`, else the part of `name` after its slash; with the owner before it when that part
                says nothing by itself (`hyperbrowserai/mcp`)
    provider    the owner: what follows `io.github.` or `io.gitlab.`, else the domain (`com.example` ->
                `example.com`)
    url         the first remote's address without its query (which may hold a token), unless it is this
                machine's; else the website; else the repository
    version     as given; tags: `mcp`, the package registries, the name's words, `deprecated` if it is

What it can do: a record has one line of prose and a name, so the capabilities are rules over these
    CAPABILITY  the description, whole or (beyond 500 characters) its first sentences; the name's words are
                its alias; the mention is the text's place in the description. Confidence 0.70: claimed,
                never shown. Extraction 1.00: the publisher's own words.
    TECHNOLOGY  each package registry but "unknown" (npm, PyPI, Docker ...), and each remote transport.
                Confidence 0.90: a published artefact. Extraction 1.00.
    CONCEPT     each word of the name: split at punctuation and capitals, without words that say nothing
                here (mcp, server, js ...), abbreviations spelt out (k8s -> kubernetes). Confidence 0.70,
                extraction 0.60: a name may mislead. The mention is the word's place in the description,
                if it stands there.
All with the method `rule-based`.

Passed over: in a list, versions that their registry marks as not the latest, and deleted servers. What a
package asks to be set in its environment is kept by name only, never by value.
"""

import re
from decimal import Decimal
from typing import Any

from pydantic import JsonValue
from pydantic import ValidationError as PydanticError

from .entry import CapabilityEntry, CatalogueEntry, Mention, canonical_name, is_web_address, mention_of
from .fields import Fields
from .parsing import plain
from .refusal import RecordRefused, refusal_of

__all__ = ["PAGE_KEY", "Superseded", "name_words", "read_server"]

PAGE_KEY = "servers"

_OFFICIAL = "io.modelcontextprotocol.registry/official"
_CLAIMED, _PUBLISHED = Decimal("0.70"), Decimal("0.90")
_VERBATIM, _FROM_NAME = Decimal("1.00"), Decimal("0.60")

# In the name of an MCP server these distinguish nothing.
_EMPTY_WORDS_BY_KIND = {
    "protocol": "ai api app client cli context lib mcp model net plugin project protocol sdk",
    "server": "serve server servers service tool tools",
    "language": "js node py python rs ts typescript",
    "domain": "com dev io org",
    "english": "a an and by for from in of official on or the to using with",
    "version": "v1 v2",
}
_EMPTY_WORDS = frozenset(word for words in _EMPTY_WORDS_BY_KIND.values() for word in words.split())
_SPELT_OUT = {
    "k8s": "kubernetes",
    "db": "database",
    "pg": "postgresql",
    "postgres": "postgresql",
    "psql": "postgresql",
    "gh": "github",
    "fs": "filesystem",
    "gcal": "google calendar",
    "tf": "terraform",
}
_REGISTRIES: dict[str, tuple[str, tuple[str, ...]]] = {
    "npm": ("npm", ("node.js", "javascript")),
    "pypi": ("PyPI", ("python",)),
    "docker": ("Docker", ("container", "oci")),
    "oci": ("Docker", ("container", "oci")),
    "nuget": ("NuGet", (".net",)),
    "cargo": ("Cargo", ("rust",)),
    "mcpb": ("MCP bundle", ("mcpb",)),
}
_NEAR = re.compile(r"^(localhost|127\.|0\.0\.0\.0|\[::1?\])", re.IGNORECASE)


class Superseded(RecordRefused):
    """A sound record that does not count: its registry says so, or it says nothing at all."""


def read_server(data: dict[str, Any], *, alone: bool) -> CatalogueEntry:
    """A server's record as an entry.

    Args:
        data: the parsed record, in its envelope or without.
        alone: it is not one of a list: then it counts although a newer version exists somewhere.

    Raises:
        RecordRefused: a field is missing, of the wrong type, or too long.
        Superseded: the record is not the latest, or deleted; `field` is then the agent's id.
    """
    record = Fields(data)
    envelope = record
    if record.has("server") and not record.has("name"):
        record = record.object("server")
    if not alone and data.get("name") == "" and not any(map(data.get, ("server", "id", "description", "packages"))):
        # Registries publish placeholders; one that names nothing holds nothing to import.
        raise Superseded("-", "is blank: it names no server")
    name = record.line("name", most=255, required=True)
    official = _official(envelope, record)
    _refuse_superseded(name, record, official, alone=alone)

    packages, remotes = _packages(record), _remotes(record)
    owner, _, server = name.rpartition("/")
    words = name_words(server) or name_words(owner.rpartition(".")[2])
    description = record.prose("description", most=10_000)
    status = record.text("status") or official.text("status")
    registries = [str(package["registry"]).lower() for package in packages if "registry" in package]
    tags = ["mcp", *registries, *words, *(["deprecated"] if status == "deprecated" else [])]
    try:
        return CatalogueEntry(
            agent_id=name,
            name=record.text("title") or (server if name_words(server) else f"{_short(owner)}/{server}").strip("/"),
            description=description,
            version=record.text("version") or record.object("version_detail").text("version"),
            provider=_provider(owner),
            url=_url(record, remotes),
            tags=tuple(dict.fromkeys(tag for tag in tags if tag != "unknown")),
            capabilities=_capabilities(description, words, registries, remotes),
            metadata=_metadata(record, official, status, packages, remotes),
        )
    except PydanticError as error:
        raise refusal_of(error, renamed={"agent_id": "name", "provider": "name"}) from None


def name_words(name: str) -> list[str]:
    """The telling words of a server's name: `mcp-k8s-server` -> `["kubernetes"]`.

    Capitals separate words only where one of the parts says nothing: `SlackMcpServer` is slack, but
    `GitHub` is github.
    """
    words: list[str] = []
    for token in re.findall(r"[^\W_]+", name):
        parts = [part.lower() for part in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[^A-Z]+", token)]
        words += parts if _EMPTY_WORDS.intersection(parts) else [token.lower()]
    telling = (_SPELT_OUT.get(word, word) for word in words if word not in _EMPTY_WORDS)
    return list(dict.fromkeys(word for word in telling if 2 <= len(word) <= 100))[:50]


def _official(envelope: Fields, record: Fields) -> Fields:
    """What the registry itself says of a record, wherever the version of its API puts it."""
    for holder in (envelope, record):
        if holder.has("_meta"):
            meta = holder.object("_meta")
            if meta.has(_OFFICIAL):
                return meta.object(_OFFICIAL)
        if holder.has("x-io.modelcontextprotocol.registry"):
            return holder.object("x-io.modelcontextprotocol.registry")
    return Fields({})


def _refuse_superseded(name: str, record: Fields, official: Fields, *, alone: bool) -> None:
    if "deleted" in (record.text("status"), official.text("status")):
        raise Superseded(name, "is deleted in its registry")
    latest = official.flag("isLatest", "is_latest")
    if latest is None:
        latest = record.object("version_detail").flag("is_latest")
    if latest is False and not alone:
        raise Superseded(name, "is not the latest version in its registry")


def _packages(record: Fields) -> list[dict[str, JsonValue]]:
    return [
        _given(
            registry=package.line("registryType", "registry_type", "registry_name", most=100),
            identifier=package.text("identifier", "name"),
            version=package.text("version"),
            transport=package.object("transport").text("type"),
            environment=[
                variable.text("name") for variable in package.objects("environmentVariables", "environment_variables")
            ],
        )
        for package in record.objects("packages")
    ]


def _remotes(record: Fields) -> list[dict[str, JsonValue]]:
    return [
        _given(
            transport=remote.line("type", "transport_type", most=100),
            url=re.split(r"[?#]", remote.text("url"), maxsplit=1)[0],
        )
        for remote in record.objects("remotes")
    ]


def _short(owner: str) -> str:
    return re.sub(r"^io\.(github|gitlab)\.", "", owner) if "." in owner else owner


def _provider(owner: str) -> str:
    short = _short(owner)
    return short if short != owner else ".".join(reversed(owner.split(".")))


def _url(record: Fields, remotes: list[dict[str, JsonValue]]) -> str | None:
    addresses = [str(remote.get("url", "")) for remote in remotes]
    reachable = [url for url in addresses if not _NEAR.match(url.partition("://")[2])]
    others = [record.text("websiteUrl", "website_url"), record.object("repository").text("url")]
    return next((url for url in reachable + others if is_web_address(url)), None)


def _capabilities(
    description: str, words: list[str], registries: list[str], remotes: list[dict[str, JsonValue]]
) -> tuple[CapabilityEntry, ...]:
    found: dict[str, CapabilityEntry] = {}

    def add(name: str, **more: Any) -> None:
        capability = CapabilityEntry(name=name, extraction_method="rule-based", **more)
        found.setdefault(canonical_name(name), capability)

    if claim := _first_sentences(description):
        add(
            " ".join(claim.split()),
            aliases=(" ".join(words),) if words else (),
            confidence=_CLAIMED,
            extraction_confidence=_VERBATIM,
            mention=Mention(text=claim, start=0, end=len(claim)),
        )
    for registry in registries:
        if registry != "unknown":
            label, aliases = _REGISTRIES.get(registry, (registry, ()))
            add(
                label,
                type="TECHNOLOGY",
                aliases=aliases,
                confidence=_PUBLISHED,
                extraction_confidence=_VERBATIM,
            )
    for remote in remotes:
        if transport := str(remote.get("transport", "")):
            add(
                f"MCP over {transport}",
                type="TECHNOLOGY",
                aliases=("remote server",),
                confidence=_PUBLISHED,
                extraction_confidence=_VERBATIM,
            )
    for word in words:
        add(
            word,
            type="CONCEPT",
            confidence=_CLAIMED,
            extraction_confidence=_FROM_NAME,
            mention=mention_of(word, description),
        )
    return tuple(found.values())


def _first_sentences(description: str) -> str:
    """The description's first line, or what of it fits into 500 characters: whole sentences, or words."""
    line = (description.splitlines() or [""])[0].rstrip()
    if len(line) <= 500:
        return line
    cut = line[:500]
    sentence = max(cut.rfind(mark) for mark in (". ", "! ", "? "))
    end = sentence + 1 if sentence >= 100 else cut.rfind(" ")
    return cut[:end].rstrip() if end > 0 else cut


def _metadata(
    record: Fields,
    official: Fields,
    status: str,
    packages: list[dict[str, JsonValue]],
    remotes: list[dict[str, JsonValue]],
) -> dict[str, JsonValue]:
    repository = record.object("repository")
    return _given(
        format="mcp",
        registry_id=record.text("id") or official.text("serverId", "id"),
        schema=record.text("$schema"),
        status=status,
        published=official.text("publishedAt", "published_at", "release_date")
        or record.object("version_detail").text("release_date"),
        repository=_given(**{key: repository.text(key) for key in ("url", "source", "id", "subfolder")}),
        website=record.text("websiteUrl", "website_url"),
        packages=packages,
        remotes=remotes,
        publisher=plain(record.object("_meta").data.get("io.modelcontextprotocol.registry/publisher-provided")),
    )


def _given(**fields: Any) -> dict[str, Any]:
    """The fields that say something."""
    return {key: value for key, value in fields.items() if value not in (None, "", [], {})}
