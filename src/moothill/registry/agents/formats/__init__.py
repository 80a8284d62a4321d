"""Catalogue formats: what can be imported as agents, and agents as cards. No database, no network.

    for item in read(stream, file="servers.json"):
        match item:
            case CatalogueEntry(): ...   # import it; item.record is its number in the file
            case BadRecord(): ...        # file, record, line, field, reason
            case SkippedRecord(): ...    # sound, but its registry says that it does not count

Formats: records of MCP registries (`mcp`), A2A 1.0 agent cards (`a2a`), and Moothill's own columns as
JSON Lines (`jsonl`) or CSV (`csv`); each reader's module says which fields become what. Every JSON format
may come as one value, an array, or one value to a line.

Whatever the bytes, nothing but these items comes out, and nothing but `Invalid` is raised. Limits: 1 MiB
and depth 32 for a record, and those of `CatalogueEntry`. The same key twice in an object, NUL, and text
that is not UTF-8 are refused.
"""

from .card_export import CardInterface, CardNeedsInterface, export_card
from .entry import (
    AgentType,
    BadRecord,
    CapabilityEntry,
    CapabilityType,
    Card,
    CatalogueEntry,
    CatalogueItem,
    Mention,
    SkillEntry,
    SkippedRecord,
    canonical_name,
)
from .own_columns import InvalidHeader
from .reading import DETECTION_BYTES, Format, detect, format_named, read
from .refusal import UnknownFormat

__all__ = [
    "DETECTION_BYTES",
    "AgentType",
    "BadRecord",
    "CapabilityEntry",
    "CapabilityType",
    "Card",
    "CardInterface",
    "CardNeedsInterface",
    "CatalogueEntry",
    "CatalogueItem",
    "Format",
    "InvalidHeader",
    "Mention",
    "SkillEntry",
    "SkippedRecord",
    "UnknownFormat",
    "canonical_name",
    "detect",
    "export_card",
    "format_named",
    "read",
]
