"""Who contributes to a release: each setting of the owner has its effect, and nobody else decides."""

from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from moothill.kernel.errors import Forbidden, Invalid
from moothill.moot import Moot
from moothill.tenancy.privacy import accountant, releases
from moothill.tenancy.privacy.contributions import summed
from moothill.tenancy.privacy.errors import LevelNotOffered, PrivacyChanged
from moothill.tenancy.privacy.service import DEFAULTS
from tests.integration.privacy.societies import Circle

ASKED: dict[str, Any] = {"query": "popular_labels", "epsilon": Decimal("0.5"), "cells_per_tenant": 1}
HALF_EPSILON = 500_000_000


async def test_nothing_is_learnt_from_a_tenant_that_never_said_so(moot: Moot) -> None:
    """A27, A28: sharing is off until the owner turns it on."""
    assert await moot.privacy.settings() == DEFAULTS
    assert DEFAULTS.allow_cross_tenant_learning is False
    assert DEFAULTS.allowed_tenant_groups == []


async def test_the_owner_changes_its_settings_and_the_log_says_from_what_to_what(moot: Moot) -> None:
    first = await moot.privacy.configure(
        version=0, epsilon=Decimal("12.5"), allow_cross_tenant_learning=True, allowed_tenant_groups=["b", "a", "b"]
    )
    assert (first.version, first.epsilon, first.allowed_tenant_groups) == (1, Decimal("12.5"), ["a", "b"])
    second = await moot.privacy.configure(version=1, delta=Decimal(0), k_anonymity=7, noise_magnitude=Decimal("1.5"))
    assert second == await moot.privacy.settings()
    kept = {"privacy_level", "epsilon", "allow_cross_tenant_learning", "allowed_tenant_groups"}
    assert second.model_dump(include=kept) == first.model_dump(include=kept)
    assert (second.version, second.k_anonymity) == (2, 7)
    assert (second.delta, second.noise_magnitude) == (Decimal(0), Decimal("1.5"))
    basic = await moot.privacy.configure(version=2, privacy_level="basic")
    assert (basic.version, basic.privacy_level) == (3, "basic")
    entries = (await moot.audit.list(kind="privacy.", changed=True)).items
    changed = [{each.field: (each.before, each.after) for each in entry.changes} for entry in entries]
    assert changed[0] == {"privacy_level": ("differential", "basic")}
    assert changed[-1]["allowed_tenant_groups"] == ([], ["a", "b"])


@pytest.mark.parametrize("version", [0, 2])
async def test_a_change_on_another_version_changes_nothing(moot: Moot, version: int) -> None:
    before = await moot.privacy.configure(version=0, epsilon=Decimal(2))
    with pytest.raises(PrivacyChanged, match=f"version 1, not {version}"):
        await moot.privacy.configure(version=version, epsilon=Decimal(9))
    assert await moot.privacy.settings() == before


async def test_the_level_secure_is_refused_and_nothing_changes(moot: Moot) -> None:
    """A26: what cannot be kept is not offered."""
    with pytest.raises(LevelNotOffered, match="choose differential"):
        await moot.privacy.configure(version=0, privacy_level="secure", allow_cross_tenant_learning=True)
    assert await moot.privacy.settings() == DEFAULTS


@pytest.mark.parametrize(
    "bad",
    [
        {"epsilon": Decimal(0)},
        {"epsilon": Decimal(-1)},
        {"delta": Decimal(-1)},
        {"delta": Decimal(1)},
        {"k_anonymity": 1},
        {"noise_magnitude": Decimal("-0.1")},
        {"epsilon": "1e3"},
    ],
)
async def test_settings_out_of_their_limits_are_refused(moot: Moot, bad: dict[str, Any]) -> None:
    with pytest.raises(Invalid, match=next(iter(bad))):
        await moot.privacy.configure(version=0, **bad)
    assert await moot.privacy.settings() == DEFAULTS


async def test_no_other_tenant_and_no_agent_reads_or_changes_them(moot: Moot, other: Moot) -> None:
    """A22: settings of privacy are the owner's."""
    await moot.privacy.configure(version=0, epsilon=Decimal(3))
    assert (await other.privacy.settings()).version == 0
    key = await moot.keys.create(name="agent's", scopes=["agents:read"])
    for call in (
        moot.with_key(key.secret).privacy.settings(),
        moot.with_key(key.secret).privacy.configure(version=1, epsilon=Decimal(9)),
        moot.with_key(key.secret).privacy.release(**ASKED),
    ):
        with pytest.raises(Forbidden):
            await call


async def whoever(circle: Circle, **asked: Any) -> set[UUID]:
    """Who was charged for a release."""
    return await circle.charged((await circle.asker.privacy.release(**{**ASKED, **asked})).id)


LABELS = {"law": (1, 1)}


async def test_who_allows_it_contributes(circle: Circle) -> None:
    ids = await circle.join(LABELS, LABELS)
    assert await whoever(circle) == set(ids)


@pytest.mark.parametrize(
    "own",
    [
        {"allow_cross_tenant_learning": False},
        {"privacy_level": "basic"},
        {"allowed_tenant_groups": []},
        {"allowed_tenant_groups": ["somebody else"]},
        {"k_anonymity": 11},
        {"noise_magnitude": Decimal("2.0001")},
        {"epsilon": Decimal("0.4999")},
        {"delta": Decimal("0.0000009")},
        {"delta": Decimal(0)},
    ],
    ids=lambda own: " ".join(f"{name}={value}" for name, value in own.items()),
)
async def test_who_does_not_allow_it_is_left_out(circle: Circle, own: dict[str, Any]) -> None:
    """A26-A30: every column of the settings has its effect, and the others contribute all the same."""
    (willing,) = await circle.join(LABELS)
    await circle.join(LABELS, **own)
    assert await whoever(circle) == {willing}


@pytest.mark.parametrize(
    ("own", "asked"),
    [
        ({"k_anonymity": 11}, {"k_anonymity": 11}),
        ({"noise_magnitude": Decimal("3.5")}, {"noise_magnitude": Decimal("3.5")}),
        ({"epsilon": Decimal("0.4")}, {"epsilon": Decimal("0.4")}),
        ({"delta": Decimal("0.0000001")}, {"delta": Decimal("0.0000001")}),
    ],
)
async def test_a_release_that_respects_the_strictest_has_everybody(
    circle: Circle, own: dict[str, Any], asked: dict[str, Any]
) -> None:
    willing = await circle.join(LABELS)
    strict = await circle.join(LABELS, **own)
    assert await whoever(circle, **asked) == {*willing, *strict}


@pytest.mark.parametrize(
    "change",
    [
        "isolation_level = 'strict'",
        "isolation_level = 'shared'",
        "status = 'suspended'",
        "created_at = now() - interval '29 days'",
    ],
)
async def test_a_tenant_that_is_closed_suspended_or_young_is_left_out(circle: Circle, change: str) -> None:
    """A tenant made in order to be counted does not count."""
    willing, other = await circle.join(LABELS, LABELS)
    await circle.ask(f"update moothill.tenants set {change} where id = %s", other)
    assert await whoever(circle) == {willing}


async def test_a_group_learns_only_from_those_that_named_it(
    circle: Circle, make_circle: Callable[[], Awaitable[Circle]]
) -> None:
    """The owner names who may learn, also across projects; being in the same one opens nothing."""
    second = await make_circle()
    (both,) = await circle.join(LABELS, allowed_tenant_groups=[circle.group, second.group])
    (mine,) = await circle.join(LABELS)
    await circle.join(LABELS, allowed_tenant_groups=[second.group[:-1]])
    assert await whoever(circle) == {both, mine}
    assert await whoever(second) == {both}


async def spending(circle: Circle, tenant: UUID) -> tuple[int, int, int]:
    (row,) = await circle.ask(
        "select nano_epsilon, nano_rho, pico_delta from moothill.privacy_spending where tenant_id = %s", tenant
    ) or [(0, 0, 0)]
    return row[0], row[1], row[2]


async def test_a_tenants_own_budget_ends_its_part_and_nobody_is_told(
    circle: Circle, make_circle: Callable[[], Awaitable[Circle]]
) -> None:
    """Epsilon and delta bound all releases of a month together, of whatever group, each with its own ledger."""
    second = await make_circle()
    groups = [circle.group, second.group]
    (rich,) = await circle.join(LABELS, allowed_tenant_groups=groups)
    (poor,) = await circle.join(LABELS, allowed_tenant_groups=groups, epsilon=Decimal("0.8"))
    assert await whoever(circle) == {rich, poor}
    assert await spending(circle, poor) == (HALF_EPSILON, 0, 1_000_000)
    release = await second.asker.privacy.release(**ASKED)
    assert await circle.charged(release.id) == {rich}
    # What is left is enough for a smaller one.
    assert await whoever(second, epsilon=Decimal("0.3")) == {rich, poor}
    assert (await spending(circle, poor))[0] <= 800_000_000
    assert (await spending(circle, rich))[0] > 1_200_000_000
    assert str(poor) not in str(await second.asker.privacy.releases())


async def test_losses_of_both_kinds_count_together(circle: Circle) -> None:
    (enough,) = await circle.join(LABELS, epsilon=Decimal("1.01"))
    (little,) = await circle.join(LABELS, epsilon=Decimal("0.6"))
    assert await whoever(circle) == {enough, little}
    sums: dict[str, Any] = {"query": "success_rates", "labels": ["law"], "epsilon": Decimal("0.5")}
    release = await circle.asker.privacy.release(**sums)
    assert await circle.charged(release.id) == {enough}
    epsilon, rho, delta = await spending(circle, enough)
    assert (epsilon, delta) == (HALF_EPSILON, 1_000_000)
    assert 0 < rho <= 4_453_000


async def test_a_tenant_sees_what_of_its_budget_is_spent_and_who_learnt(circle: Circle) -> None:
    await circle.moot.tenants.create(slug=f"own-{circle.group[7:30]}", name="Own", project=circle.group)
    own = circle.moot.tenant(f"own-{circle.group[7:30]}")
    await own.sharing.set_level(level="federated")
    await own.privacy.configure(
        version=0, allow_cross_tenant_learning=True, allowed_tenant_groups=[circle.group], epsilon=Decimal(2)
    )
    await circle.ask(
        "update moothill.tenants set created_at = now() - interval '31 days' where project = %s", circle.group
    )
    fresh = await own.privacy.spending()
    assert (fresh.epsilon_spent, fresh.epsilon_left) == (Decimal(0), Decimal(2))
    release = await circle.asker.privacy.release(**ASKED)
    spent = await own.privacy.spending()
    assert (spent.nano_epsilon, spent.epsilon_left) == (HALF_EPSILON, Decimal("1.5"))
    (access,) = (await own.sharing.accesses(kind="federated")).items
    assert (access.accessor, access.data_class) == ((await circle.asker.keys.current()).tenant, "capabilities")
    assert access.operation == "privacy.release"
    assert access.rows is None
    (found,) = await circle.ask("select digest from moothill.privacy_releases where id = %s", release.id)
    assert access.query_digest == found[0].hex()
    await circle.asker.privacy.release(**ASKED)
    assert len((await own.sharing.accesses(kind="federated")).items) == 1


async def test_consent_that_is_withdrawn_after_the_charge_counts(
    circle: Circle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between paying and drawing the owner closes: it was charged, and its data is not read."""
    stays, leaves = await circle.join(LABELS, LABELS)
    real = summed
    read: list[int] = []

    def watch(asked: Any, contributions: Any) -> Any:
        rows = list(contributions)
        read.append(len(rows))
        return real(asked, rows)

    monkeypatch.setattr(releases, "summed", watch)

    async def pay_and_leave(*given: Any) -> Any:
        paid = await accountant.pay(*given)
        await circle.change(leaves, allow_cross_tenant_learning=False)
        return paid

    monkeypatch.setattr(releases, "pay", pay_and_leave)
    release = await circle.asker.privacy.release(**ASKED)
    assert await circle.charged(release.id) == {stays, leaves}
    assert read == [1]


async def test_the_settings_of_the_operator_say_how_old_a_tenant_must_be(circle: Circle) -> None:
    release = await circle.asker.privacy.release(**ASKED)
    (found,) = await circle.ask(
        "select minimum_age = interval '720 hours' from moothill.privacy_releases where id = %s", release.id
    )
    assert found == (True,)
