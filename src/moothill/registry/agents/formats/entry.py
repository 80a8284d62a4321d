"""What a catalogue's reader yields: an entry, a bad record, or a record passed over.

All limits of an entry stand here, whatever format it came from. Texts may hold no NUL (PostgreSQL
cannot store it), no unpaired surrogate, and no control character; descriptions may have line breaks.
"""

import hashlib
import re
from decimal import Decimal
from typing import Annotated, Any, Literal

import orjson
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    StringConstraints,
    field_validator,
    model_validator,
)

__all__ = [
    "AgentType",
    "BadRecord",
    "CapabilityEntry",
    "CapabilityType",
    "Card",
    "CatalogueEntry",
    "CatalogueItem",
    "Mention",
    "SkillEntry",
    "SkippedRecord",
    "canonical_name",
    "is_line",
    "is_prose",
    "is_web_address",
    "mention_of",
]

AgentType = Literal["team-leader", "worker", "collaborator", "coordinator", "monitor", "specialist"]
CapabilityType = Literal["CAPABILITY", "AGENT", "TASK", "VERDICT", "TECHNOLOGY", "CONCEPT", "WAIVER", "GATE"]
ExtractionMethod = Literal["manual", "nlp", "llm", "rule-based"]

_METADATA_BYTES = 65_536
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_CONTROL_IN_PROSE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")


def canonical_name(name: str) -> str:
    """The form under which names of capabilities are compared: lower case, single spaces, trimmed."""
    return " ".join(name.lower().split())


def is_web_address(url: str) -> bool:
    """Whether a text is an absolute http or https URL that may be shown as a link."""
    return len(url) <= 2048 and re.fullmatch(r"https?://[^\s/?#<>\"\\]+[^\s<>\"\\]*", url) is not None


def is_line(text: str) -> bool:
    """Whether a text has no control character and no line break."""
    return _CONTROL.search(text) is None


def is_prose(text: str) -> bool:
    """Whether a text has no control character but line breaks and tabs."""
    return _CONTROL_IN_PROSE.search(text) is None


def _line(text: str) -> str:
    if not is_line(text):
        raise ValueError("may hold no control character and no line break")
    return text


def _prose(text: str) -> str:
    if not is_prose(text):
        raise ValueError("may hold no control character but line breaks and tabs")
    return text


def _web_address(url: str) -> str:
    if not is_web_address(url):
        raise ValueError("must be an absolute http or https URL of at most 2048 characters")
    return url


def _two_decimals(rate: Decimal) -> Decimal:
    return rate.quantize(Decimal("0.01"))


def _distinct(texts: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(texts))


def _one_line(least: int, most: int) -> tuple[StringConstraints, AfterValidator]:
    """Trimmed first, so that what is counted is what is stored."""
    return StringConstraints(strip_whitespace=True, min_length=least, max_length=most), AfterValidator(_line)


Name = Annotated[str, *_one_line(1, 255)]
Label = Annotated[str, *_one_line(1, 100)]
LongName = Annotated[str, *_one_line(1, 500)]
Family = Annotated[str, *_one_line(1, 50)]
OptionalName = Annotated[str, *_one_line(0, 255)]
Prose = Annotated[str, Field(max_length=10_000), AfterValidator(_prose)]
Labels = Annotated[tuple[Label, ...], Field(max_length=100), AfterValidator(_distinct)]
# With two decimals always, so that 0.9 and 0.90 are the same entry.
Rate = Annotated[Decimal, Field(ge=0, le=1, max_digits=3, decimal_places=2), AfterValidator(_two_decimals)]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Mention(_Frozen):
    """Where a capability is named in the agent's description: the evidence for it."""

    text: str = Field(min_length=1, max_length=10_000, description="The words, exactly as they stand.")
    start: int = Field(ge=0, description="First character, counted in code points from 0.")
    end: int = Field(ge=1, description="First character after them.")


def mention_of(name: str, description: str) -> Mention | None:
    """Where a name stands in a description as words of its own, in whatever case; None when it does not."""
    found = re.search(rf"(?<!\w){re.escape(name)}(?!\w)", description, re.IGNORECASE)
    return Mention(text=found.group(), start=found.start(), end=found.end()) if found else None


class CapabilityEntry(_Frozen):
    """Something that an agent says it can do."""

    name: LongName
    description: Prose = ""
    type: CapabilityType = "CAPABILITY"
    aliases: Annotated[tuple[LongName, ...], Field(max_length=50), AfterValidator(_distinct)] = ()
    tags: Labels = ()
    confidence: Annotated[Rate, Field(ge=Decimal("0.7"))] = Field(
        Decimal("0.70"),
        description="How sure it is that the agent can, 0.70 to 1.00; 0.70: declared, never shown.",
    )
    extraction_confidence: Rate = Field(Decimal("1.00"), description="How sure the extraction is, 0 to 1.")
    extraction_method: ExtractionMethod = "manual"
    mention: Mention | None = None


class SkillEntry(_Frozen):
    """A skill with how well the agent has it."""

    name: Label
    proficiency: int = Field(0, ge=0, le=10, description="0 to 10; 8 and above is expert.")
    experience: int = Field(0, ge=0, le=2_147_483_647, description="Experience points.")


class Card(_Frozen):
    """An agent card exactly as it was given, byte for byte."""

    media_type: str = Field(max_length=255)
    content: bytes = Field(min_length=2, max_length=1_048_576)


class CatalogueEntry(_Frozen):
    """One agent of a catalogue, whatever format it came in."""

    agent_id: Name = Field(description="The caller's own key, unique in the tenant.")
    name: Name
    description: Prose = ""
    type: AgentType = "specialist"
    model_family: Family = "unknown"
    version: OptionalName = ""
    specialisations: Labels = ()
    tags: Labels = ()
    provider: OptionalName = ""
    url: Annotated[str, AfterValidator(_web_address)] | None = None
    capabilities: tuple[CapabilityEntry, ...] = Field((), max_length=1000)
    skills: tuple[SkillEntry, ...] = Field((), max_length=500)
    card: Card | None = None
    metadata: dict[str, JsonValue] = Field(default_factory=dict, description="What the source said besides.")
    record: int = Field(0, ge=0, exclude=True, description="Number of the record in its file, from 1.")

    @field_validator("metadata")
    @classmethod
    def _small_enough(cls, metadata: dict[str, JsonValue]) -> dict[str, JsonValue]:
        try:
            size = len(orjson.dumps(metadata))
        except (TypeError, ValueError, RecursionError):
            raise ValueError("holds something that JSON cannot carry") from None
        if size > _METADATA_BYTES:
            raise ValueError(f"may have at most {_METADATA_BYTES} bytes as JSON")
        return metadata

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> "CatalogueEntry":
        _refuse_doubles("capabilities", [canonical_name(capability.name) for capability in self.capabilities])
        _refuse_doubles("skills", [canonical_name(skill.name) for skill in self.skills])
        for index, capability in enumerate(self.capabilities):
            mention = capability.mention
            if mention and self.description[mention.start : mention.end] != mention.text:
                raise ValueError(f"capabilities[{index}].mention does not stand at its place in the description")
        return self

    def fingerprint(self) -> str:
        """SHA-256 over all that would be stored: equal for two entries that say the same."""
        fields: dict[str, Any] = self.model_dump(mode="json", exclude={"card"})
        card = hashlib.sha256(self.card.content).hexdigest() if self.card else ""
        return hashlib.sha256(orjson.dumps([fields, card], option=orjson.OPT_SORT_KEYS)).hexdigest()


def _refuse_doubles(field: str, names: list[str]) -> None:
    seen: dict[str, int] = {}
    for index, name in enumerate(names):
        if name in seen:
            raise ValueError(f"{field}[{index}].name is the same as {field}[{seen[name]}].name")
        seen[name] = index


class BadRecord(_Frozen):
    """A record that cannot be imported, and why."""

    file: str = Field(description="The file's name as the caller gave it.")
    record: int = Field(ge=1, description="Number of the record in its file, from 1.")
    field: str = Field(description='Path of the field, such as `skills[2].id`; "" for the record as a whole.')
    reason: str = Field(description="What is wrong with it, without its content.")
    line: int | None = Field(None, ge=1, description="Line of the file on which the record begins.")


class SkippedRecord(_Frozen):
    """A sound record that is not imported because its own registry says that it does not count."""

    file: str
    record: int = Field(ge=1)
    agent_id: str
    reason: str
    line: int | None = Field(None, ge=1)


CatalogueItem = CatalogueEntry | BadRecord | SkippedRecord
