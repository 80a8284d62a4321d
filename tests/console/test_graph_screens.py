"""The screens of relationships, seen by a user without a browser."""

import json
from decimal import Decimal
from uuid import UUID

from nicegui import ui
from nicegui.testing import User

from moothill.console.widgets.network import options_of
from moothill.moot import Moot
from moothill.registry.graph.models import Edge, Node, Picture
from tests.console.test_screens import register

HOSTILE = '<img src=x onerror="document.title=1">'


async def connect(moot: Moot) -> None:
    for key in ("ada", "bela", "cleo"):
        await register(moot, key)
    for source, target in (("ada", "bela"), ("bela", "cleo")):
        await moot.relationships.put(
            source=source, target=target, type="VALIDATES", directional=True, confidence=Decimal("0.8")
        )


async def test_the_picture_shows_the_society_and_a_click_goes_around_an_agent(
    operator: User, moot: Moot, tenant: str
) -> None:
    await connect(moot)
    await operator.open(f"/t/{tenant}/relationships")
    await operator.should_see(marker="network", retries=20)
    (chart,) = operator.find(marker="network").elements
    assert isinstance(chart, ui.echart)
    (series,) = chart.options["series"]
    assert {node["id"] for node in series["data"]} == {"ada", "bela", "cleo"}
    assert series["layout"] == "none" and len(series["links"]) == 2
    await operator.open(f"/t/{tenant}/relationships?agent=ada&hops=1&sure=0.7")
    await operator.should_see("Around an agent", retries=20)
    (chart,) = operator.find(marker="network").elements
    assert isinstance(chart, ui.echart)
    assert {node["id"] for node in chart.options["series"][0]["data"]} == {"ada", "bela"}
    await operator.open(f"/t/{tenant}/relationships?type=ENHANCES")
    await operator.should_see("No relationships here", retries=20)


async def test_ways_between_two_are_shown_and_strangers_are_told(operator: User, moot: Moot, tenant: str) -> None:
    await connect(moot)
    await operator.open(f"/t/{tenant}/paths?source=ada&target=cleo")
    await operator.should_see(marker="way", retries=20)
    await operator.should_see("Bela")
    await operator.open(f"/t/{tenant}/paths?source=ada&target=cleoo")
    await operator.should_see('Did you mean "cleo"', retries=20)
    await operator.open(f"/t/{tenant}/paths?source=cleo&target=ada&direction=out")
    await operator.should_see("Nothing connects them", retries=20)


async def test_centrality_says_that_nothing_was_analysed_yet(operator: User, tenant: str) -> None:
    await operator.open(f"/t/{tenant}/centrality")
    await operator.should_see("Not analysed yet", retries=20)
    await operator.should_see("Analyse now")


def test_names_are_values_of_the_chart_and_never_markup_or_keys() -> None:
    node = Node(
        id=UUID(int=7), agent=HOSTILE, name=f":{HOSTILE}", status="idle", hop=0, degree=1,
        x=0, y=0,
    )  # fmt: skip
    edge = Edge(
        id=node.id, source=HOSTILE, target=HOSTILE, type="ENHANCES", directional=True, confidence=Decimal(1),
        strength=Decimal(1),
    )  # fmt: skip
    options = options_of(Picture(nodes=[node], edges=[edge], truncated=False))
    assert options["tooltip"]["renderMode"] == "richText"

    def keys(value: object) -> list[str]:
        if isinstance(value, dict):
            return [*map(str, value), *(key for each in value.values() for key in keys(each))]
        return [key for each in value for key in keys(each)] if isinstance(value, list) else []

    assert not [key for key in keys(options) if key.startswith(":") or "<" in key]
    assert json.dumps(options)
