"""What goes in and out of privacy."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from ...kernel.events import EventPayload
from ...kernel.texts import Line, LongName, without_exponent

__all__ = [
    "Asked",
    "AskedDelta",
    "AskedEpsilon",
    "Budget",
    "CellsPerTenant",
    "Column",
    "Contribution",
    "Estimate",
    "Group",
    "Histogram",
    "Labels",
    "LeastGroup",
    "Ledger",
    "LedgerRow",
    "LedgersAudited",
    "Level",
    "NoiseFloor",
    "OwnBudget",
    "PrivacyCharged",
    "PrivacyConfigured",
    "PrivacyReleased",
    "PrivacySettings",
    "Query",
    "QueryName",
    "Release",
    "ReleaseRow",
    "ReleaseState",
    "ReleasedCell",
    "StoredCell",
    "Unit",
]

Level = Literal["basic", "differential", "secure"]
Unit = Literal["epsilon", "rho"]
ReleaseState = Literal["charged", "released", "lost"]
Column = Literal["type", "status", "tier", "model_family"]
Exact = BeforeValidator(without_exponent)

QueryName = Annotated[
    str, Field(min_length=1, max_length=100, description="Name of a query; `privacy.queries` lists them.")
]
AskedEpsilon = Annotated[
    Decimal,
    Field(ge=Decimal("0.01"), le=20, decimal_places=4, description="Privacy loss of this release, 0.01 to 20."),
    Exact,
]
AskedDelta = Annotated[
    Decimal,
    Field(
        ge=Decimal("1e-12"),
        le=Decimal("0.001"),
        decimal_places=12,
        description="Probability that goes with epsilon; far below one in the number of tenants.",
    ),
    Exact,
]
LeastGroup = Annotated[
    int, Field(ge=2, le=1_000_000, description="Smallest group of tenants that is counted; smaller ones are left out.")
]
NoiseFloor = Annotated[
    Decimal,
    Field(
        ge=0,
        le=10_000,
        decimal_places=4,
        description="Least scale of the noise, in parts of the most that one tenant can change.",
    ),
    Exact,
]
Labels = Annotated[
    list[LongName] | None,
    Field(
        min_length=1,
        max_length=32,
        description="Names of capabilities, for queries about labels that are known; those of a release will do.",
    ),
]
CellsPerTenant = Annotated[
    int | None,
    Field(
        ge=1, le=32, description="Most labels to which one tenant contributes, drawn by lot; more labels, more noise."
    ),
]
_GROUP = "Group of tenants that learns: their project."
_EPOCH = "Calendar month in UTC; budgets begin anew with each, and losses add up over them."


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True)


class PrivacySettings(_Frozen):
    """What the tenant allows to be learnt from it."""

    privacy_level: Literal["basic", "differential"] = Field(
        description="differential: it may take part in releases; basic: it takes part in nothing."
    )
    noise_magnitude: Decimal = Field(description="It takes part only under at least this much noise.")
    k_anonymity: int = Field(description="The smallest group in which its data may be counted.")
    epsilon: Decimal = Field(description="The most that all releases of an epoch may lose of its privacy.")
    delta: Decimal = Field(description="The probability that goes with it.")
    allow_cross_tenant_learning: bool = Field(description="Whether it takes part at all.")
    allowed_tenant_groups: list[str] = Field(description="Groups that may learn from it; none: nobody.")
    version: int = Field(description="Rises with each change; 0 before the first.")
    updated_at: datetime | None = Field(None, description="When it last changed.")


class OwnBudget(_Frozen):
    """How much of its own epsilon and delta a tenant has lost in an epoch."""

    epoch: str = Field(description=_EPOCH)
    nano_epsilon: int = Field(description="Pure epsilon, in billionths.")
    nano_rho: int = Field(description="Rho of zero-concentrated releases, in billionths.")
    pico_delta: int = Field(description="Delta of thresholds, in million millionths.")
    epsilon_spent: Decimal = Field(Decimal(0), description="What both come to at the tenant's delta.")
    epsilon_left: Decimal = Field(Decimal(0), description="What is left of the tenant's epsilon.")


class Query(_Frozen):
    """A question that may be asked across tenants."""

    name: str = Field(description="Its name.")
    description: str = Field(description="What it answers.")
    family: str = Field(description="Releases of one family share a budget.")
    mechanism: str = Field(description="How the noise is distributed.")
    labels_known: bool = Field(description="Whether the labels have to be named; else the common ones are found.")
    values: list[str] = Field(description="What is told of each label.")
    largest: int = Field(description="The most that one tenant adds to one label.")
    cells_per_tenant: int = Field(description="Labels to which one tenant contributes, unless asked otherwise.")


class Estimate(_Frozen):
    """What a release would cost and how wrong it would be; no data was looked at."""

    query: str = Field(description="The query.")
    mechanism: str = Field(description="How the noise is distributed.")
    unit: Unit = Field(description="What the cost counts.")
    cost: int = Field(description="Cost in billionths of the unit.")
    cost_delta: int = Field(description="Cost in delta, in million millionths.")
    share: Decimal = Field(description="The part of an epoch's whole budget that it takes, 0 to 1 and above.")
    deviation: Decimal = Field(description="Standard deviation of each noisy sum.")
    error: int = Field(description="95 of 100 noisy sums are at most this far from the truth.")
    threshold: int = Field(description="A label whose noisy sums come to less is left out.")
    noise_ratio: Decimal = Field(description="The noise in parts of the most that one tenant can change.")
    tenants_needed: int = Field(
        description="Tenants that must share a label for it to show 95 times in 100, when each adds the most it may."
    )
    advice: str = Field(description="In a sentence.")


class ReleasedCell(_Frozen):
    """What a release tells of one label."""

    label: str = Field(description="The label.")
    values: dict[str, Decimal] = Field(description="Noisy values by name.")


class Release(_Frozen):
    """A release: what was asked, what it cost, and what came out."""

    id: UUID = Field(description="It rises with time.")
    query: str = Field(description="The query.")
    group: str = Field(description=_GROUP)
    epoch: str = Field(description=_EPOCH)
    family: str = Field(description="Family whose ledger was charged.")
    state: ReleaseState = Field(description="released; charged or lost: paid for, and never drawn.")
    labels: list[str] = Field(description="The labels asked for; none where they were found.")
    epsilon: Decimal = Field(description="Epsilon asked for.")
    delta: Decimal = Field(description="Delta asked for.")
    k_anonymity: int = Field(description="Smallest group of tenants that was counted.")
    cells_per_tenant: int = Field(description="Labels to which one tenant contributed at most.")
    largest: int = Field(description="The most that one tenant added to one label.")
    mechanism: str = Field(description="How the noise was distributed.")
    library: str = Field(description="What drew it.")
    scale: Decimal = Field(description="Scale of the noise.")
    error: int = Field(description="95 of 100 noisy sums are at most this far from the truth.")
    threshold: int = Field(description="Labels whose noisy sums came to less were left out.")
    unit: Unit = Field(description="What the cost counts.")
    cost: int = Field(description="Cost in billionths of the unit.")
    cost_delta: int = Field(description="Cost in delta, in million millionths.")
    spent_before: int = Field(description="The ledger before the charge, in billionths.")
    spent_after: int = Field(description="The ledger after it.")
    cells: list[ReleasedCell] = Field(description="What came out; what is not here was suppressed, or is not there.")
    charged_at: datetime = Field(description="When it was paid for.")
    released_at: datetime | None = Field(None, description="When it was given out.")
    replayed: bool = Field(False, description="Answered before in this epoch, so it cost nothing now.")


class Ledger(_Frozen):
    """What a group has spent of a family's budget in an epoch."""

    family: str = Field(description="Family of releases.")
    epoch: str = Field(description=_EPOCH)
    unit: Unit = Field(description="What is counted.")
    spent: int = Field(description="Spent, in billionths.")
    cap: int = Field(description="The most that may be spent.")
    left: int = Field(description="What is left.")
    spent_delta: int = Field(description="Delta spent, in million millionths.")
    cap_delta: int = Field(description="The most delta that may be spent.")


class Budget(_Frozen):
    """Budgets of the tenant's group: this epoch's, those before, and what all lost together."""

    group: str = Field(description=_GROUP)
    epoch: str = Field(description=_EPOCH)
    ledgers: list[Ledger] = Field(description="Ledgers, newest epoch first; one that nobody charged is not there.")
    cumulative_nano_epsilon: int = Field(description="Pure epsilon of all epochs together, in billionths.")
    cumulative_nano_rho: int = Field(description="Rho of all epochs together, in billionths.")
    cumulative_pico_delta: int = Field(description="Delta of all epochs together, in million millionths.")
    cumulative_epsilon: Decimal = Field(description="What all of it comes to, at a delta of one in a million more.")


class LedgersAudited(_Frozen):
    """Whether the ledgers add up, going by the releases alone."""

    group: str = Field(description=_GROUP)
    adds_up: bool = Field(description="Nothing was found.")
    ledgers: int = Field(description="Ledgers that were added up.")
    releases: int = Field(description="Releases that they were added up from.")
    findings: list[str] = Field(description="What does not add up.")


class Group(_Frozen):
    """One group of a histogram."""

    value: str = Field(description="What its members have in common.")
    count: int | None = Field(None, description="How many they are; none: too few to be told, or hidden with those.")
    parts: dict[str, int | None] = Field(default_factory=dict, description="How they divide, likewise.")


class Histogram(_Frozen):
    """A histogram of the tenant's own agents in which small groups are suppressed."""

    column: Column = Field(description="What was counted.")
    k_anonymity: int = Field(description="The smallest group that is told.")
    total: int | None = Field(None, description="How many there are in all.")
    groups: list[Group] = Field(description="The groups, in the order of their values.")


# What stands in the database.


class StoredCell(_Frozen):
    """A label with its noisy sums."""

    cell: str
    sums: list[int]


class Contribution(_Frozen):
    """What one tenant adds to one cell. Raw: it never leaves the transaction that draws a release."""

    contributor: int
    cell: str
    amounts: list[int]


class Asked(_Frozen):
    """What came of asking for a release."""

    outcome: Literal["charged", "released", "busy", "exhausted"]
    release: UUID | None
    spent: int | None
    cap: int | None


class LedgerRow(_Frozen):
    """A ledger as it is stored."""

    tenant_group: str
    family: str
    epoch: str
    unit: Unit
    spent: int
    cap: int
    spent_delta: int
    cap_delta: int


class ReleaseRow(_Frozen):
    """A release as it is stored, without who asked for it."""

    id: UUID
    tenant_group: str
    family: str
    epoch: str
    place: int
    state: ReleaseState
    query: str
    plan: str
    cells: list[str]
    per_tenant: int
    largest: int
    k_anonymity: int
    mechanism: str
    library: str
    scale: int
    threshold: int
    epsilon: Decimal
    delta: Decimal
    unit: Unit
    cost: int
    cost_delta: int
    spent_before: int
    spent_after: int
    delta_before: int
    delta_after: int
    output: list[StoredCell] | None
    charged_at: datetime
    released_at: datetime | None


AllowedGroups = Annotated[list[Line], Field(max_length=100)]


class PrivacyConfigured(EventPayload, kind="privacy.configured"):
    """A tenant changed what may be learnt from it; the audit has from what to what."""

    fields: list[str] = Field(description="What it changed.")
    settings_version: int = Field(description="Version of its settings from now on.")


class PrivacyCharged(EventPayload, kind="privacy.charged"):
    """A release was paid for; whatever becomes of it, this is spent."""

    query: str = Field(description="The query.")
    digest: str = Field(description="SHA-256 of the question, in hexadecimal.")
    group: str = Field(description=_GROUP)
    family: str = Field(description="Family whose ledger was charged.")
    epoch: str = Field(description=_EPOCH)
    unit: Unit = Field(description="What the cost counts.")
    cost: int = Field(description="Cost in billionths.")
    cost_delta: int = Field(description="Cost in delta, in million millionths.")
    spent_before: int = Field(description="The ledger before.")
    spent_after: int = Field(description="The ledger after.")


class PrivacyReleased(EventPayload, kind="privacy.released"):
    """A release was drawn and given out."""

    query: str = Field(description="The query.")
    digest: str = Field(description="SHA-256 of the question, in hexadecimal.")
    mechanism: str = Field(description="How the noise was distributed.")
    library: str = Field(description="What drew it.")
    scale: int = Field(description="Scale of the noise, in parts of 1024.")
    threshold: int = Field(description="Labels whose noisy sums came to less were left out.")
    per_tenant: int = Field(description="Labels to which one tenant contributed at most.")
    largest: int = Field(description="The most that one tenant added to one label.")
    epsilon: Decimal = Field(description="Epsilon asked for.")
    delta: Decimal = Field(description="Delta asked for.")
    unit: Unit = Field(description="What the cost counts.")
    cost: int = Field(description="Cost in billionths.")
    spent_before: int = Field(description="The ledger before the charge.")
    spent_after: int = Field(description="The ledger after it.")
    output: list[StoredCell] = Field(description="Labels and noisy sums as they were given out.")
