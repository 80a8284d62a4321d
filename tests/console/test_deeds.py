"""What else operators do at the console: every button of the first screens, without a browser."""

from collections.abc import AsyncIterator, Sequence
from decimal import Decimal

import pytest
import pytest_asyncio
from nicegui import ui
from nicegui.testing import User

from moothill.console.app import Console
from moothill.console.screens import Query, Screen
from moothill.console.visit import Visit
from moothill.console.widgets import running
from moothill.database.embedded import EmbeddedServer
from moothill.kernel.operation import Job
from moothill.kernel.settings import Settings
from moothill.moot import Moot
from moothill.registry.agents import AgentPatch, Heartbeat
from moothill.session import open_database
from tests.conftest import DatabaseFactory
from tests.console.conftest import eventually, key_of, sign_in, simulated
from tests.console.test_acts import confirm
from tests.console.test_screens import register, words_of


async def test_a_status_is_set_with_its_reason(operator: User, moot: Moot, tenant: str) -> None:
    agent = await register(moot)
    await operator.open(f"/t/{tenant}/agents/{agent}")
    await operator.should_see(marker="set-status", retries=20)
    operator.find(marker="set-status").click()
    await operator.should_see(marker="new-status", retries=20)
    (chosen,) = operator.find(kind=ui.select, marker="new-status").elements
    chosen.set_value("maintenance")
    operator.find(marker="go-on").click()
    await confirm(operator)

    async def is_set() -> bool:
        return (await moot.agents.get(agent=agent)).status == "maintenance"

    await eventually(is_set)
    await operator.should_see("maintenance", retries=20)


async def test_a_deactivated_agent_comes_back(operator: User, moot: Moot, tenant: str) -> None:
    agent = await register(moot)
    await moot.agents.deactivate(agent=agent)
    await operator.open(f"/t/{tenant}/agents?deactivated=yes")
    await operator.should_see(kind=ui.aggrid, retries=20)
    await operator.open(f"/t/{tenant}/agents/{agent}")
    await operator.should_see(marker="reactivate", retries=20)
    operator.find(marker="reactivate").click()
    await confirm(operator)
    await operator.should_see(marker="deactivate", retries=40)
    assert (await moot.agents.get(agent=agent)).deactivated_at is None


@pytest.mark.parametrize(("verb", "status"), [("validate", "validated"), ("reject", "rejected")])
async def test_a_capability_is_judged(operator: User, moot: Moot, tenant: str, verb: str, status: str) -> None:
    agent = await register(moot)
    await operator.open(f"/t/{tenant}/agents/{agent}?tab=capabilities")
    await operator.should_see(marker=verb, retries=20)
    operator.find(marker=verb).click()
    await confirm(operator)

    async def is_judged() -> bool:
        (capability,) = (await moot.capabilities.list()).items
        return capability.validation_status == status

    await eventually(is_judged)


async def test_evidence_folds_away_and_comes_back(operator: User, moot: Moot, tenant: str) -> None:
    agent = await register(moot)
    await operator.open(f"/t/{tenant}/agents/{agent}?tab=capabilities")
    await operator.should_see(marker="evidence-sentence", retries=20)
    operator.find(kind=ui.button, marker="evidence").click()
    await operator.should_not_see(marker="evidence-sentence")
    operator.find(kind=ui.button, marker="evidence").click()
    await operator.should_see(marker="evidence-sentence", retries=20)


async def test_older_activity_is_one_press_away(operator: User, moot: Moot, tenant: str) -> None:
    agent = await register(moot)
    for number in range(1, 56):
        await moot.agents.set_skill(agent=agent, skill=f"skill {number:02}", proficiency=1)
    await operator.open(f"/t/{tenant}/agents/{agent}?tab=activity")
    await operator.should_see(marker="older", retries=20)
    assert "agents.registered" not in words_of(operator)
    operator.find(marker="older").click()
    await operator.should_see("agents.registered", retries=20)


async def test_activity_grows_while_one_watches(operator: User, moot: Moot, tenant: str) -> None:
    agent = await register(moot)
    await operator.open(f"/t/{tenant}/agents/{agent}?tab=activity")
    await operator.should_see("Live", retries=50)
    await moot.agents.set_skill.options(reason="seen at work")(agent=agent, skill="drafting", proficiency=4)
    await operator.should_see("agents.skill_set", retries=50)
    await operator.should_see("seen at work")


async def test_a_key_is_rotated_and_its_successor_shown_once(operator: User, moot: Moot, tenant: str) -> None:
    issued = await moot.keys.create(name="to be rotated", scopes=["agents:read"])
    await operator.open(f"/t/{tenant}/keys?key={issued.key.id}")
    await operator.should_see(marker="rotate", retries=20)
    operator.find(marker="rotate").click()
    await operator.should_see(marker="go-on", retries=20)
    operator.find(marker="go-on").click()
    await confirm(operator)
    await operator.should_see(marker="secret", retries=40)
    (shown,) = operator.find(marker="secret").elements
    assert (await moot.with_key(str(shown._text)).keys.current()).actor_name == "to be rotated"
    operator.find(marker="have-it").click()
    await operator.should_not_see(marker="secret")


async def test_a_tenant_is_suspended_after_its_plan_and_resumed(visitor: User, platform: Moot, other: Moot) -> None:
    await sign_in(visitor, await key_of(platform, "*", "platform:*"))
    made = await platform.tenants.get(tenant=(await other.keys.current()).tenant_slug)
    for verb, words, status in (
        ("suspend", "would be suspended: its keys would be refused", "suspended"),
        ("resume", "Its keys work again.", "active"),
    ):
        place = f"/t/default/tenants?status={made.status if verb == 'suspend' else 'suspended'}"
        await _choose_tenant(visitor, platform, place, str(made.id))
        await visitor.should_see(marker=verb, retries=20)
        visitor.find(marker=verb).click()
        await visitor.should_see(words, retries=20)
        await confirm(visitor, unlock=verb == "suspend")

        async def is_moved(status: str = status) -> bool:
            return (await platform.tenants.get(tenant=str(made.id))).status == status

        await eventually(is_moved)


async def _choose_tenant(user: User, platform: Moot, place: str, tenant: str) -> None:
    """Turn pages until the tenant is on one; the shared database has many."""
    status = place.rpartition("=")[2]
    cursor: str | None = None
    while True:
        page = await platform.tenants.list(status=status, limit=100, cursor=cursor)  # type: ignore[arg-type]
        if tenant in {str(found.id) for found in page.items}:
            break
        cursor = page.next
        assert cursor is not None
    await user.open(f"{place}&tenant={tenant}" + (f"&cursor={cursor}" if cursor else ""))


async def test_a_job_is_shown_and_cancelled(operator: User, moot: Moot, tenant: str) -> None:
    job: Job = await moot.search.reindex(model="wordllama_256")
    await operator.open(f"/t/{tenant}/jobs")
    await operator.should_see(kind=ui.aggrid, retries=20)
    (grid,) = operator.find(kind=ui.aggrid).elements
    assert [row["operation"] for row in grid.options["rowData"]] == ["search.reindex"]
    await operator.open(f"/t/{tenant}/jobs?state={job.state}&job={job.id}")
    await operator.should_see(marker="cancel-job", retries=20)
    operator.find(marker="cancel-job").click()
    await confirm(operator)

    async def is_cancelled() -> bool:
        return (await moot.jobs.get(job=job.id)).state == "cancelled"

    await eventually(is_cancelled)
    await eventually(lambda: [row["state"] for row in grid.options["rowData"]] == ["cancelled"] or grid.is_deleted)


@pytest_asyncio.fixture
async def working(
    server: EmbeddedServer, settings: Settings, fresh_database: DatabaseFactory
) -> AsyncIterator[tuple[User, Moot]]:
    """An operator of the platform on a database of its own, with a worker beside it."""
    moot = await open_database(server.dsn("app", await fresh_database()), settings, "default", create=True)
    assert moot.session is not None
    async with moot.session.working(), simulated(Console(moot)) as user:
        await sign_in(user, await key_of(moot, "*", "platform:*"))
        yield user, moot
    await moot.close()


async def test_schedules_are_run_paused_and_resumed(working: tuple[User, Moot]) -> None:
    user, moot = working

    async def are_there() -> bool:
        return bool(await moot.jobs.schedules())

    await eventually(are_there)
    name = (await moot.jobs.schedules())[0].name
    for verb in ("pause", "resume", "run-now"):
        await user.open(f"/t/default/jobs?tab=schedules&schedule={name}")
        await user.should_see(marker=verb, retries=20)
        user.find(marker=verb).click()
        await confirm(user, unlock=verb == "pause")
        await user.should_not_see(marker="confirm", retries=60)

        async def is_done(wanted: bool = verb == "pause") -> bool:
            return (await moot.jobs.schedules())[0].paused is wanted

        await eventually(is_done)


async def test_who_is_at_work_is_told_with_load_and_address(operator: User, moot: Moot, tenant: str) -> None:
    agent = await register(moot)
    await moot.agents.update(agent=agent, version=1, changes=AgentPatch(url="https://agents.example.com/ada"))
    await moot.agents.heartbeat(
        beats=[Heartbeat(agent="ada", status="busy", active_tasks=3, queued_tasks=1, utilisation=Decimal("0.75"))]
    )
    await operator.open(f"/t/{tenant}/")
    await operator.should_see(marker="active", retries=20)
    with operator.scope(marker="active"):
        await operator.should_see("Ada", retries=20)
        await operator.should_see("3 tasks")
        await operator.should_see("75 %")
    await operator.open(f"/t/{tenant}/agents/{agent}")
    await operator.should_see("https://agents.example.com/ada", retries=20)
    (address,) = [found for found in operator.current_layout.descendants() if found.props.get("rel")]
    assert address.props["rel"] == "noopener noreferrer nofollow"


async def test_a_screen_that_fails_shows_our_words_and_no_trace(
    platform: Moot, moot: Moot, tenant: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def build(visit: Visit, query: Query) -> None:
        raise ZeroDivisionError("a secret of the inside")

    console = Console(platform, [Screen("/", "Broken", build, section="Society", needs=("keys.current",))])
    async with simulated(console) as user:
        await sign_in(user, await key_of(moot, "*"))
        await user.open(f"/t/{tenant}/")
        await user.should_see(marker="trouble", retries=20)
        said = " ".join(words_of(user))
    assert "a secret of the inside" not in said
    (record,) = [record for record in caplog.records if record.message == "screen_failed"]
    assert f"Request {record.__dict__['request']}" in said


async def test_an_event_opens_with_all_it_says(operator: User, moot: Moot, tenant: str) -> None:
    await register(moot)
    await operator.open(f"/t/{tenant}/events?kind=agents.registered&since=1h")
    await operator.should_see(marker="event", retries=20)
    operator.find(marker="event").click()
    await operator.should_see(marker="json", retries=20)
    assert any('"agent_id": "ada"' in words for words in words_of(operator))
    await operator.should_see("All of this subject")


async def test_the_palette_finds_screens_operations_and_agents(operator: User, moot: Moot, tenant: str) -> None:
    await register(moot, "ada")
    await operator.open(f"/t/{tenant}/")
    operator.find(marker="jump").click()
    await operator.should_see(marker="palette")

    def hits() -> Sequence[str]:
        with operator.scope(marker="palette"):
            return [str(row._text) for row in operator.find(marker="hit-words").elements]

    assert "Overview" in hits()
    operator.find(marker="palette-field").type("keys rev")
    await eventually(lambda: "keys.revoke" in hits())
    operator.find(marker="palette-field").clear().type("ad")
    await eventually(lambda: "Ada" in hits())
    operator.find(marker="palette-field").trigger("keydown.down").trigger("keydown.up").trigger("keydown.enter")
    await operator.should_see("What it is", retries=40)


async def test_the_tenant_switch_offers_the_tenants_of_all_keys(
    visitor: User, platform: Moot, moot: Moot, tenant: str
) -> None:
    await sign_in(visitor, await key_of(moot, "*"))
    await sign_in(visitor, await key_of(platform, "platform:tenants"))
    await visitor.open(f"/t/{tenant}/")
    (menu,) = [found for found in visitor.find(kind=ui.menu).elements if found.props.get("auto-close")]
    menu.open()
    await visitor.should_see(marker=f"tenant-{tenant}", retries=20)
    await visitor.should_see("Add another key")


async def test_who_one_is_says_what_the_key_may(operator: User, tenant: str) -> None:
    await operator.open(f"/t/{tenant}/")
    operator.find(marker="who").click()
    await operator.should_see(f"operator of {tenant}")
    await operator.should_see("keys:self")


async def test_a_stream_runs_for_a_moment(
    operator: User, moot: Moot, tenant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "STREAM_SECONDS", 0.3)
    await register(moot)
    first = (await moot.events.list(limit=1)).items[0]
    await operator.open(f"/t/{tenant}/explorer?operation=events.follow")
    await operator.should_see(marker="field-after", retries=20)
    with operator.scope(marker="field-after"):
        operator.find(kind=ui.textarea).elements.pop().set_value(first.cursor)
    operator.find(marker="run").click()
    await operator.should_see("Result", retries=50)
    await operator.should_see(kind=ui.aggrid)


async def test_the_explorer_tells_a_refusal(operator: User, tenant: str) -> None:
    await operator.open(f"/t/{tenant}/explorer?operation=agents.get")
    await operator.should_see(marker="field-agent", retries=20)
    with operator.scope(marker="field-agent"):
        operator.find(kind=ui.input).type("nobody")
    operator.find(marker="run").click()
    await operator.should_see("agents.get was refused.", retries=20)


async def test_operations_are_found_by_words(operator: User, tenant: str) -> None:
    await operator.open(f"/t/{tenant}/explorer?q=revoke")
    await operator.should_see(marker="operation-keys.revoke", retries=20)
    await operator.should_not_see(marker="operation-keys.list")
    await operator.open(f"/t/{tenant}/explorer?q=nothing+like+it")
    await operator.should_see("No operation holds these words", retries=20)


async def test_search_filters_by_kind_and_says_when_nothing_fits(operator: User, moot: Moot, tenant: str) -> None:
    await register(moot)
    await operator.open(f"/t/{tenant}/search?q=contracts&kind=agent&mode=text")
    await operator.should_see(marker="hit", retries=50)
    await operator.open(f"/t/{tenant}/search?q=contracts&tag=nosuchtag&mode=text")
    await operator.should_see("Nothing fits", retries=50)
    await operator.open(f"/t/{tenant}/search")
    await operator.should_see("Say what you look for", retries=20)


async def test_a_page_of_many_leads_on_and_back_to_the_first(operator: User, moot: Moot, tenant: str) -> None:
    for number in range(52):
        await moot.agents.register(
            agent_id=f"a{number:02}", name=f"A{number:02}", type="worker", description="", model_family="x"
        )
    await operator.open(f"/t/{tenant}/agents")
    await operator.should_see(marker="next-page", retries=20)
    operator.find(marker="next-page").click()
    await operator.should_see("First page", retries=20)
    (grid,) = operator.find(kind=ui.aggrid).elements
    assert [row["name"] for row in grid.options["rowData"]] == ["A50", "A51"]
