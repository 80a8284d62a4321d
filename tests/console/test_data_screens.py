"""The screens of what is kept and how: retention, limits, encryption."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio
from nicegui.testing import User

from moothill.console.app import Console
from moothill.console.widgets.encryption import field_row, key_row
from moothill.console.widgets.limits import limit_words
from moothill.console.widgets.numbers import NotANumber, whole
from moothill.console.widgets.retention import what_happens
from moothill.console.widgets.words import now
from moothill.database.embedded import EmbeddedServer
from moothill.kernel.operation import Job
from moothill.kernel.settings import Settings
from moothill.moot import Moot
from moothill.session import open_database
from moothill.tenancy.encryption.models import FieldStatus, KeyRow
from moothill.worker import Worker
from tests.conftest import DATABASE
from tests.console.conftest import HOSTILE, KEKS, eventually, key_of, sign_in, simulated
from tests.console.test_acts import REASON, confirm
from tests.console.test_screens import register, words_of
from tests.console.test_tenancy_screens import above, rows_of
from tests.integration.worker.world import BRISK
from tests.integration.worker.world import eventually as patiently


@pytest_asyncio.fixture
async def sealing(server: EmbeddedServer, settings: Settings, tenant: str) -> AsyncIterator[Moot]:
    """The fresh tenant, in a process that has a key-encryption key."""
    given = {"keks": KEKS, "signing_key": "A" * 43 + "="}
    moot = await open_database(
        server.dsn("app", DATABASE), Settings.load({}, pool_min=1, worker=False, **given), tenant
    )
    yield moot
    await moot.close()


@pytest_asyncio.fixture
async def keeper(sealing: Moot, moot: Moot) -> AsyncIterator[User]:
    """A user at a console of that process, signed in with everything in the tenant."""
    secret = await key_of(moot, "*")
    async with simulated(Console(sealing)) as user:
        assert (await sign_in(user, secret)).status_code == 303
        yield user


@asynccontextmanager
async def working(moot: Moot) -> AsyncIterator[None]:
    """A worker in the process of a Moot."""
    session = moot.session
    assert session is not None
    assert session.runtime is not None
    assert session.database is not None
    worker = Worker(session.runtime, session.database, session.settings, pace=BRISK)
    running = asyncio.create_task(worker.run())
    try:
        yield
    finally:
        await worker.stop()
        await running


async def done(moot: Moot, job: Job) -> None:
    """Let a worker bring a job to its end."""

    async def over() -> bool:
        found = await moot.jobs.get(job=job.id)
        assert found.state != "failed", found
        return found.state == "completed"

    async with working(moot):
        await patiently(over, within=60)


@pytest.mark.parametrize(
    ("path", "scope"),
    [("retention", "retention:read"), ("limits", "limits:read"), ("encryption", "encryption:read")],
)
async def test_a_screen_that_the_key_does_not_cover_says_what_is_missing(
    visitor: User, moot: Moot, tenant: str, path: str, scope: str
) -> None:
    await sign_in(visitor, await key_of(moot, "agents:read"))
    await visitor.open(f"/t/{tenant}/{path}")
    await visitor.should_see("This key does not cover this.", retries=20)
    assert any(f"needs the scope {scope}" in words for words in words_of(visitor))


@pytest.mark.parametrize(
    ("path", "scope", "marks"),
    [
        ("retention?class=events", "retention:read", ("set-policy", "place-hold")),
        ("limits", "limits:read", ("set-limit", "change-agents")),
        ("encryption", "encryption:read", ("enable", "rotate", "disable")),
    ],
)
async def test_who_may_only_look_is_offered_no_change(
    visitor: User, platform: Moot, moot: Moot, tenant: str, path: str, scope: str, marks: tuple[str, ...]
) -> None:
    await platform.tenant(tenant).limits.set(name="agents", amount=5)
    await sign_in(visitor, await key_of(moot, scope))
    await visitor.open(f"/t/{tenant}/{path}")
    await visitor.should_not_see(marker="trouble")
    for mark in marks:
        await visitor.should_not_see(marker=mark)


# ----------------------------------------------------------------------------------------------- retention


async def test_a_policy_is_changed_after_its_plan_and_taken_back(operator: User, moot: Moot, tenant: str) -> None:
    await operator.open(f"/t/{tenant}/retention?class=access_log")
    await operator.should_see(marker="policy-detail", retries=20)
    rows = {row["id"]: row for row in rows_of(operator, "policies")}
    assert rows["access_log"]["source"] == "the default"
    operator.find(marker="policy-days").clear().type("many")
    operator.find(marker="set-policy").click()
    await eventually(lambda: operator.notify.messages)
    assert "give a whole number" in operator.notify.messages[-1]
    operator.find(marker="policy-days").clear().type("180")
    operator.find(marker="set-policy").click()
    await operator.should_see("it would be deleted after 180 days.", retries=20)
    await confirm(operator)
    await operator.should_see(marker="clear-policy", retries=40)
    policies = {each.data_class: each for each in await moot.retention.policies()}
    assert (policies["access_log"].days, policies["access_log"].source) == (180, "tenant")
    (event,) = (await moot.events.list(kind="retention.policy_set")).items
    assert event.reason == REASON
    operator.find(marker="clear-policy").click()
    await operator.should_see("The default would hold for access_log again.", retries=20)
    await confirm(operator, unlock=False)

    async def is_back() -> bool:
        return all(each.source == "default" for each in await moot.retention.policies())

    await eventually(is_back)


async def test_a_policy_that_is_refused_says_why(operator: User, moot: Moot, tenant: str) -> None:
    await operator.open(f"/t/{tenant}/retention?class=events")
    await operator.should_see(marker="policy-detail", retries=20)
    operator.find(marker="policy-days").clear().type("1")
    operator.find(marker="set-policy").click()
    await eventually(lambda: operator.notify.messages)
    assert "too few" in operator.notify.messages[-1]


async def test_a_hold_is_placed_with_its_reason_and_released_after_its_plan(
    operator: User, moot: Moot, tenant: str
) -> None:
    agent = await register(moot)
    await operator.open(f"/t/{tenant}/retention?tab=holds")
    await operator.should_see("Nothing is held", retries=20)
    operator.find(marker="place-hold").click()
    await operator.should_see(marker="held-agent", retries=20)
    operator.find(marker="held-agent").type("ada")
    operator.find(marker="go-on").click()
    await confirm(operator)
    await operator.should_see(marker="hold-detail", retries=40)
    (hold,) = (await moot.retention.holds()).items
    assert (str(hold.agent), hold.reason) == (agent, REASON)
    (row,) = rows_of(operator, "holds")
    assert (row["state"], row["reason"]) == ("stands", REASON)
    operator.find(marker="release-hold").click()
    await operator.should_see("would be held by it no more.", retries=20)
    await confirm(operator, unlock=False)

    async def is_over() -> bool:
        return not (await moot.retention.holds()).items

    await eventually(is_over)
    await operator.should_see("ended", retries=40)


async def test_a_report_of_an_erasure_is_verified_where_it_is_shown(
    keeper: User, sealing: Moot, tenant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await sealing.agents.register(agent_id="ada", name="Ada")
    await done(sealing, await sealing.erasure.erase_agent(agent="ada", reason=HOSTILE))
    (report,) = (await sealing.erasure.reports()).items
    address = f"/t/{tenant}/retention?tab=erasures&report={report.number}"
    await keeper.open(address)
    await keeper.should_see(marker="report-detail", retries=20)
    await keeper.should_see("verified")
    await keeper.should_see(HOSTILE)
    (row,) = rows_of(keeper, "reports")
    assert (row["kind"], row["digest"]) == ("agent", report.digest)
    # Somebody changes the reason in the database.
    from moothill.console.widgets import erasures

    real = erasures.report_detail
    monkeypatch.setattr(
        erasures,
        "report_detail",
        lambda signed, key: real(signed.model_copy(update={"report": {**signed.report, "reason": "none"}}), key),
    )
    await keeper.open(address)
    await keeper.should_see("broken", retries=20)
    await keeper.should_not_see("verified")


async def test_the_last_run_is_shown_to_who_runs_the_platform(visitor: User, platform: Moot) -> None:
    user = await above(visitor, platform)
    async with working(platform):

        async def known() -> bool:
            return any(each.name == "retention.remove" for each in await platform.jobs.schedules())

        await patiently(known)
    await user.open("/t/default/retention")
    await user.should_see(marker="last-run", retries=20)
    await user.should_see("The last run")


def test_policies_are_told_in_words() -> None:
    assert what_happens("retain", None) == "stays for ever"
    assert what_happens("delete", 1) == "deleted after 1 day"
    assert what_happens("archive", 90) == "archived after 90 days"


# -------------------------------------------------------------------------------------------------- limits


async def test_limits_are_set_changed_and_taken_away_by_the_platform(
    visitor: User, platform: Moot, moot: Moot, tenant: str
) -> None:
    await register(moot)
    user = await above(visitor, platform)
    await user.open(f"/t/{tenant}/limits")
    await user.should_see("Nothing is limited here", retries=20)
    user.find(marker="set-limit").click()
    await user.should_see(marker="limit-amount", retries=20)
    user.find(marker="limit-amount").type("4")
    user.find(marker="go-on").click()
    await confirm(user)
    await user.should_see(marker="limit-agents", retries=40)
    await user.should_see("3 of 4 left")
    await user.should_see("1 used (25 %)")
    (event,) = (await moot.events.list(kind="limits.changed")).items
    assert event.reason == REASON
    user.find(marker="change-agents").click()
    await user.should_see(marker="limit-amount", retries=20)
    user.find(marker="limit-amount").clear().type("1")
    user.find(marker="go-on").click()
    await confirm(user, unlock=False)
    await user.should_see("used up", retries=40)
    user.find(marker="clear-agents").click()
    await confirm(user, unlock=False)
    await user.should_see("Nothing is limited here", retries=40)


async def test_the_tenant_sees_its_limits_and_cannot_change_them(
    operator: User, platform: Moot, moot: Moot, tenant: str
) -> None:
    for name in ("agents", "calls", "calls:search"):
        await platform.tenant(tenant).limits.set(name=name, amount=1_000)
    await operator.open(f"/t/{tenant}/limits")
    await operator.should_see("Calls of search", retries=20)
    await operator.should_not_see(marker="set-limit")
    await operator.should_not_see(marker="clear-calls")


def test_numbers_of_people_are_read_and_nothing_else() -> None:
    assert whole("x", " 1 000 ") == 1000
    for given in ("", "-1", "1.5", "1e3", "٣", "9" * 40, None):
        with pytest.raises(NotANumber, match="x: give a whole number"):
            whole("x", given)
    assert limit_words("calls:search") == "Calls of search"


# ---------------------------------------------------------------------------------------------- encryption


async def test_a_tenant_is_encrypted_rotated_and_opened_from_its_screen(
    keeper: User, sealing: Moot, tenant: str
) -> None:
    await sealing.agents.register(agent_id="ada", name="Ada")
    await keeper.open(f"/t/{tenant}/encryption")
    await keeper.should_see("There is no data key", retries=20)
    await keeper.should_not_see(marker="rotate")

    async def asked(mark: str, kind: str, *, unlock: bool = False) -> None:
        before = len((await sealing.jobs.list(limit=100)).items)
        keeper.find(marker=mark).click()
        await confirm(keeper, unlock=unlock)

        async def queued() -> bool:
            return len((await sealing.jobs.list(limit=100)).items) > before

        await eventually(queued)
        job = next(each for each in (await sealing.jobs.list(limit=100)).items if each.operation == kind)
        await done(sealing, job)
        await keeper.open(f"/t/{tenant}/encryption")
        await keeper.should_see(marker="data-keys", retries=20)

    await asked("enable", "encryption.enable", unlock=True)
    assert [row["state"] for row in rows_of(keeper, "data-keys")] == ["active"]
    fields = {row["id"]: row for row in rows_of(keeper, "fields")}
    assert (fields["events.payload"]["state"], fields["events.payload"]["share"]) == ("sealed", 1)
    assert fields["agent_cards.content"]["state"] == "empty"
    await keeper.should_see("encryption.enable")
    await asked("rotate", "encryption.rotate")
    assert [row["state"] for row in rows_of(keeper, "data-keys")] == ["active", "retired"]
    keeper.find(marker="disable").click()
    await keeper.should_see("What is sealed would lie open in the database", retries=20)
    keeper.find("Cancel").click()
    await keeper.should_not_see(marker="confirm")
    await asked("disable", "encryption.disable")
    assert [row["state"] for row in rows_of(keeper, "data-keys")] == ["shredded", "shredded"]
    await keeper.should_see(marker="enable")
    shown = " ".join(words_of(keeper))
    assert KEKS.partition(":")[2] not in shown


async def test_a_server_without_a_key_encryption_key_says_so(operator: User, tenant: str) -> None:
    await operator.open(f"/t/{tenant}/encryption")
    await operator.should_see(marker="no-kek", retries=20)


def test_fields_and_keys_are_told_in_words() -> None:
    def field(active: int, other: int, plain: int) -> FieldStatus:
        return FieldStatus(field="a.b", active=active, other=other, plain=plain, is_all=False)

    assert field_row(field(0, 0, 0), enabled=True)["state"] == "empty"
    assert field_row(field(3, 1, 0), enabled=True) | {"share": 0.75, "state": "under way"} == field_row(
        field(3, 1, 0), enabled=True
    )
    assert field_row(field(0, 2, 1), enabled=False)["state"] == "under way"
    assert field_row(field(0, 0, 1), enabled=False)["state"] == "open"
    key: dict[str, Any] = {"number": 1, "kek": "k", "created_at": now(), "wrapped_at": now()}
    assert key_row(KeyRow(state="active", **key))["ended"] == ""
    ended = key_row(KeyRow(state="shredded", shredded_at=now() - timedelta(hours=2), **key))["ended"]
    assert ended == "destroyed 2 h ago"
