"""Operations on privacy: what a tenant allows, what is asked across tenants, what that cost."""

from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field

from ...kernel import Page, Service, context, operation
from ...kernel.operation import Plan
from ...kernel.paging import Cursor, PageSize, decode_cursor
from . import rules
from .accountant import Policy, ledger_of
from .errors import LevelNotOffered, PrivacyChanged
from .models import (
    AllowedGroups,
    AskedDelta,
    AskedEpsilon,
    Budget,
    CellsPerTenant,
    Column,
    Estimate,
    Exact,
    Group,
    Histogram,
    Labels,
    LeastGroup,
    LedgersAudited,
    Level,
    NoiseFloor,
    OwnBudget,
    PrivacyConfigured,
    PrivacySettings,
    Query,
    QueryName,
    Release,
    ReleaseRow,
)
from .plans import described, question
from .releases import answer, shown, transaction
from .statements import sql
from .suppression import TOTAL, hidden, with_sums

__all__ = ["DEFAULTS", "Privacy"]

DEFAULTS = PrivacySettings(
    privacy_level="differential",
    noise_magnitude=Decimal("0.0100"),
    k_anonymity=5,
    epsilon=Decimal("1.0000"),
    delta=Decimal("0.000010000000"),
    allow_cross_tenant_learning=False,
    allowed_tenant_groups=[],
    version=0,
)
"""What holds for a tenant that never said anything: nothing is learnt from it."""

_LAST = UUID(int=2**128 - 1)
_AT_A_TIME = 1_000
_COMMON_DELTA = Decimal("0.000001")
_COMMON_K = 10
_COMMON_FLOOR = Decimal("0.01")
_EXAMPLE = {"query": "popular_labels", "epsilon": "0.5"}


class Privacy(Service, group="privacy"):
    """Privacy: what may be learnt across tenants, under noise, and what it cost."""

    @operation(effect="read", scope="privacy:read", audience="operator", mode="single", example={})
    async def settings(self) -> PrivacySettings:
        """What this tenant allows to be learnt from it."""
        return await sql.settings() or DEFAULTS

    @operation(
        effect="write",
        scope="privacy:write",
        audience="operator",
        example={"version": 0, "epsilon": "0.8", "allow_cross_tenant_learning": True},
    )
    async def configure(
        self,
        *,
        version: Annotated[int, Field(ge=0, le=2**31 - 1, description="The version that was read; 0: none so far.")],
        privacy_level: Annotated[
            Level | None, Field(description="differential, or basic: suppression in its own views, no release.")
        ] = None,
        noise_magnitude: Annotated[
            Decimal | None,
            Field(
                ge=0, le=10_000, decimal_places=4, description="Take part only where the noise is at least this large."
            ),
            Exact,
        ] = None,
        k_anonymity: Annotated[
            int | None, Field(ge=2, le=1_000_000, description="Smallest group in which this tenant's data may count.")
        ] = None,
        epsilon: Annotated[
            Decimal | None,
            Field(
                gt=0,
                le=1_000,
                decimal_places=4,
                description="Most that all releases of a month may lose of its privacy.",
            ),
            Exact,
        ] = None,
        delta: Annotated[
            Decimal | None,
            Field(ge=0, lt=1, decimal_places=12, description="The probability that goes with epsilon."),
            Exact,
        ] = None,
        allow_cross_tenant_learning: Annotated[
            bool | None, Field(description="Whether anything may be learnt from this tenant.")
        ] = None,
        allowed_tenant_groups: Annotated[
            AllowedGroups | None, Field(description="Groups of tenants (projects) that may learn from it.")
        ] = None,
    ) -> PrivacySettings:
        """Change what may be learnt from this tenant; what is not given stays. It counts from the commit on.

        Raises:
            LevelNotOffered: nobody can keep what `secure` would promise.
            PrivacyChanged: the version is another.
        """
        if privacy_level == "secure":
            raise LevelNotOffered(field="privacy_level")
        given = {
            "privacy_level": privacy_level,
            "noise_magnitude": noise_magnitude,
            "k_anonymity": k_anonymity,
            "epsilon": epsilon,
            "delta": delta,
            "allow_cross_tenant_learning": allow_cross_tenant_learning,
            "allowed_tenant_groups": None if allowed_tenant_groups is None else sorted(set(allowed_tenant_groups)),
        }
        before = await sql.settings() or DEFAULTS
        wanted: dict[str, Any] = {
            name: getattr(before, name) if value is None else value for name, value in given.items()
        }
        if version == 0:
            after = await sql.settings_begin(**wanted)
        else:
            after = await sql.settings_change(version=version, **wanted)
        # Whoever read `before` read the version that the change is made on, or the change is not made.
        if after is None or before.version != version:
            raise PrivacyChanged(
                f"The privacy settings have version {before.version}, not {version}; read them again.",
                version=before.version,
                given=version,
            )
        fields = sorted(name for name, value in given.items() if value is not None)
        context().record(
            PrivacyConfigured(fields=fields, settings_version=after.version),
            subject=context().tenant,
            before=before,
            after=after,
        )
        return after

    @operation(effect="read", scope="privacy:read", audience="operator", example={})
    async def spending(self) -> OwnBudget:
        """What releases of this month have cost this tenant of its own epsilon and delta."""
        own = await sql.settings() or DEFAULTS
        spent = await sql.own_budget()
        turned = rules.epsilon_of(spent.nano_rho, own.delta / 2) if own.delta else 0
        total = Decimal(spent.nano_epsilon + turned) / rules.NANO
        return spent.model_copy(update={"epsilon_spent": total, "epsilon_left": max(Decimal(0), own.epsilon - total)})

    @operation(effect="read", scope="privacy:read", mode="none", example={})
    async def queries(self) -> list[Query]:
        """What may be asked across tenants."""
        return described()

    @operation(effect="read", scope="privacy:read", mode="none", example=_EXAMPLE)
    async def estimate(
        self,
        *,
        query: QueryName,
        epsilon: AskedEpsilon,
        delta: AskedDelta = _COMMON_DELTA,
        k_anonymity: LeastGroup = _COMMON_K,
        labels: Labels = None,
        cells_per_tenant: CellsPerTenant = None,
        noise_magnitude: NoiseFloor = _COMMON_FLOOR,
    ) -> Estimate:
        """What a release would cost and how wrong it would be; no data is looked at, and nothing is spent."""
        asked = question(
            query=query,
            epsilon=epsilon,
            delta=delta,
            k_anonymity=k_anonymity,
            labels=labels,
            cells_per_tenant=cells_per_tenant,
            noise_magnitude=noise_magnitude,
        )
        policy = Policy.of(self.executor)
        return asked.estimate(policy.cap(asked.noise.unit), policy.cap_delta)

    @operation(effect="destroy", scope="privacy:release", audience="operator", mode="none", example=_EXAMPLE)
    async def release(
        self,
        *,
        query: QueryName,
        epsilon: AskedEpsilon,
        delta: AskedDelta = _COMMON_DELTA,
        k_anonymity: LeastGroup = _COMMON_K,
        labels: Labels = None,
        cells_per_tenant: CellsPerTenant = None,
        noise_magnitude: NoiseFloor = _COMMON_FLOOR,
    ) -> Release:
        """Ask across tenants: it spends the group's privacy budget, unless the same was asked in this month.

        What comes out is noisy, and what too few tenants share is left out without a word. What it costs is
        spent before anything is drawn, and nothing gives it back.

        Raises:
            PrivacyBudgetExhausted: this month's budget does not reach; nothing was spent.
            ReleaseInProgress: the same question is being answered; nothing was spent.
        """
        asked = question(
            query=query,
            epsilon=epsilon,
            delta=delta,
            k_anonymity=k_anonymity,
            labels=labels,
            cells_per_tenant=cells_per_tenant,
            noise_magnitude=noise_magnitude,
        )
        return await answer(self.executor, asked)

    @release.plan
    async def _plan_release(self, **given: Any) -> Plan:
        asked = question(**given)
        policy = Policy.of(self.executor)
        async with transaction(self.executor):
            here = await sql.here()
            ledgers = await sql.ledgers(size=_AT_A_TIME)
        noise, cap = asked.noise, policy.cap(asked.noise.unit)
        spent = next(
            (each.spent for each in ledgers if (each.family, each.epoch) == (asked.plan.family, here.epoch)), 0
        )
        estimate = asked.estimate(cap, policy.cap_delta)
        return Plan(
            summary=f"{noise.cost} of {max(0, cap - spent)} billionths of {noise.unit} that {here.group} has left for "
            f"{asked.plan.family} this month would be spent for good. {estimate.advice}",
            counts={
                "cost": noise.cost,
                "left": max(0, cap - spent),
                "cost_delta": noise.cost_delta,
                "error": noise.error,
                "threshold": noise.threshold,
                "tenants_needed": estimate.tenants_needed,
            },
        )

    @operation(effect="read", scope="privacy:read", example={"limit": 10})
    async def releases(
        self,
        *,
        epoch: Annotated[
            str | None, Field(pattern=r"^\d{4}-\d{2}$", description="Only of this month, such as 2026-11.")
        ] = None,
        limit: PageSize = 50,
        cursor: Cursor = None,
    ) -> Page[Release]:
        """Releases of this tenant's group with all that they were charged for, newest first."""
        query = ["privacy.releases", context().tenant, epoch]
        (before,) = decode_cursor(query, cursor, parts=(UUID,)) or [_LAST]
        rows = await sql.releases(before=before, epoch=epoch, size=limit + 1)
        page = Page[ReleaseRow].cut(rows, limit=limit, query=query, key=lambda row: [row.id])
        return Page(items=[shown(row) for row in page.items], next=page.next)

    @operation(effect="read", scope="privacy:read", example={})
    async def budget(self) -> Budget:
        """What this tenant's group has spent and has left, this month and before."""
        here = await sql.here()
        rows = await sql.ledgers(size=_AT_A_TIME)
        epsilon = sum(row.spent for row in rows if row.unit == "epsilon")
        rho = sum(row.spent for row in rows if row.unit == "rho")
        return Budget(
            group=here.group,
            epoch=here.epoch,
            ledgers=[ledger_of(row) for row in rows],
            cumulative_nano_epsilon=epsilon,
            cumulative_nano_rho=rho,
            cumulative_pico_delta=sum(row.spent_delta for row in rows),
            cumulative_epsilon=Decimal(epsilon + rules.epsilon_of(rho, _COMMON_DELTA)) / rules.NANO,
        )

    @operation(effect="read", scope="privacy:audit", audience="operator", example={})
    async def audit(self) -> LedgersAudited:
        """Add the group's ledgers up again, from its releases alone, and say whether they agree."""
        here = await sql.here()
        ledgers = await sql.ledgers(size=_AT_A_TIME)
        releases: list[ReleaseRow] = []
        page = await sql.releases(before=_LAST, epoch=None, size=_AT_A_TIME)
        while page:
            releases += page
            page = await sql.releases(before=page[-1].id, epoch=None, size=_AT_A_TIME)
        findings = rules.adds_up(ledgers, releases)
        return LedgersAudited(
            group=here.group,
            adds_up=not findings,
            ledgers=len(ledgers),
            releases=len(releases),
            findings=findings[:100],
        )

    @operation(effect="read", scope="privacy:read", example={"column": "type"})
    async def histogram(
        self,
        *,
        column: Annotated[Column, Field(description="What to count agents by.")],
        divided: Annotated[
            bool, Field(description="Also the deactivated ones, and how each group divides into those and the others.")
        ] = False,
    ) -> Histogram:
        """Count this tenant's agents in groups; those smaller than its k_anonymity are hidden, and what shows them."""
        own = await sql.settings() or DEFAULTS
        counted = await sql.histogram(column=column)
        # Decided on the whole table, also when a part of it is told: two tellings must not show what one hides.
        table = with_sums({(each.value, "live" if each.live else "deactivated"): each.agents for each in counted})
        hiding = hidden(table, own.k_anonymity)
        told = {place: None if place in hiding else count for place, count in table.items()}
        values = sorted({each.value for each in counted})
        parts = sorted({column for _, column in table if column is not TOTAL})
        return Histogram(
            column=column,
            k_anonymity=own.k_anonymity,
            total=told.get((TOTAL, TOTAL if divided else "live"), 0),
            groups=[
                Group(
                    value=value,
                    count=told.get((value, TOTAL if divided else "live"), 0),
                    parts={part: told[value, part] for part in parts} if divided else {},
                )
                for value in values
            ],
        )
