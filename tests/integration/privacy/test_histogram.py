"""A tenant's own histogram: small groups are hidden, and what would show them."""

from decimal import Decimal

import pytest

from moothill.kernel.errors import Invalid
from moothill.moot import Moot
from moothill.tenancy.privacy.models import Histogram


async def people(moot: Moot, kind: str, count: int) -> None:
    for number in range(count):
        await moot.agents.register(agent_id=f"{kind}-{number}", name=f"{kind} {number}", type=kind)  # type: ignore[arg-type]


def counts(told: Histogram) -> dict[str, int | None]:
    return {each.value: each.count for each in told.groups}


async def test_small_groups_are_hidden_and_another_with_them(moot: Moot) -> None:
    """A30: k is the owner's; and what is left of the total tells of nobody."""
    for kind, count in (("worker", 9), ("monitor", 7), ("specialist", 2)):
        await people(moot, kind, count)
    told = await moot.privacy.histogram(column="type")
    assert counts(told) == {"worker": 9, "monitor": None, "specialist": None}
    assert (told.total, told.k_anonymity) == (18, 5)
    await moot.privacy.configure(version=0, k_anonymity=2)
    assert counts(await moot.privacy.histogram(column="type")) == {"worker": 9, "monitor": 7, "specialist": 2}
    await moot.privacy.configure(version=1, k_anonymity=19)
    told = await moot.privacy.histogram(column="type")
    assert (told.total, set(counts(told).values())) == (None, {None})


async def test_telling_it_divided_tells_no_more_than_telling_it_whole(moot: Moot) -> None:
    await people(moot, "worker", 12)
    await people(moot, "monitor", 12)
    for number in range(2):
        await moot.agents.deactivate(agent=f"worker-{number}")
    live = await moot.privacy.histogram(column="type")
    divided = await moot.privacy.histogram(column="type", divided=True)
    for whole, parts in zip(live.groups, divided.groups, strict=True):
        assert whole.count == parts.parts["live"]
        assert parts.parts["deactivated"] in (None, 0)
    # Twelve in all and ten live would tell of two.
    worker = divided.groups[1]
    assert None in (worker.count, worker.parts["live"])
    assert None in (divided.total, live.total)


async def test_every_column_can_be_counted_and_nobody_is_an_empty_one(moot: Moot, other: Moot) -> None:
    assert (await moot.privacy.histogram(column="status")).groups == []
    assert (await moot.privacy.histogram(column="status", divided=True)).total == 0
    await people(other, "worker", 30)
    await people(moot, "worker", 6)
    await moot.agents.register(agent_id="one", name="One", type="worker", model_family="alpha")
    assert counts(await moot.privacy.histogram(column="type")) == {"worker": 7}
    assert counts(await moot.privacy.histogram(column="tier")) == {"bronze": 7}
    assert counts(await moot.privacy.histogram(column="status")) == {"idle": 7}
    assert counts(await moot.privacy.histogram(column="model_family")) == {"unknown": None, "alpha": None}
    with pytest.raises(Invalid, match="column"):
        await moot.privacy.histogram(column="name")  # type: ignore[arg-type]


async def test_the_queries_are_listed_and_estimated_without_looking_at_data(moot: Moot) -> None:
    listed = {each.name: each for each in await moot.privacy.queries()}
    assert set(listed) == {"popular_labels", "success_rates", "reputation_priors"}
    assert listed["success_rates"].family == listed["reputation_priors"].family != listed["popular_labels"].family
    for name, each in listed.items():
        labels = ["law"] if each.labels_known else None
        little = await moot.privacy.estimate(query=name, epsilon=Decimal("0.5"), labels=labels)
        much = await moot.privacy.estimate(query=name, epsilon=Decimal(2), labels=labels)
        assert little.error > much.error
        assert little.tenants_needed > much.tenants_needed
        assert little.share < much.share
