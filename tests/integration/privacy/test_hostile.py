"""Two tenants that want to know more: contributions, lots, suppressed labels and each other's settings stay hidden."""

from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any
from uuid import UUID

import psycopg
import pytest
import pytest_asyncio

from moothill.database.embedded import EmbeddedServer
from tests.conftest import DATABASE
from tests.integration.privacy.societies import Circle

LABELS: dict[str, Any] = {"query": "popular_labels", "epsilon": Decimal(1), "cells_per_tenant": 1}
SECRET = "a label that only few have"
COMMON = "law"
REFUSED = "42501"
LAST = UUID(int=2**128 - 1)


@pytest_asyncio.fixture
async def sql(server: EmbeddedServer) -> AsyncIterator[psycopg.AsyncConnection[Any]]:
    """A connection as the role that serves: what a tenant could reach if it got to say SQL there."""
    async with await psycopg.AsyncConnection.connect(server.dsn("app", DATABASE), autocommit=True) as connection:
        yield connection


async def said(sql: psycopg.AsyncConnection[Any], tenant: UUID, *statements: str) -> list[Any]:
    """What the server answers to each, in one transaction of a tenant: rows, or the code of its refusal."""
    answers: list[Any] = []
    async with sql.transaction(force_rollback=True):
        await sql.execute("select mt.set_context(%s, gen_random_uuid(), 'operator', 30000)", [tenant])
        for statement in statements:
            try:
                async with sql.transaction():
                    answers.append(await (await sql.execute(statement.encode())).fetchall())
            except psycopg.Error as error:
                answers.append(error.sqlstate)
    return answers


async def tenant_of(circle: Circle) -> UUID:
    return (await circle.asker.keys.current()).tenant


async def test_nobody_reads_charges_keys_ledgers_or_releases_of_the_database(
    circle: Circle, sql: psycopg.AsyncConnection[Any]
) -> None:
    await circle.join({COMMON: (1, 1)})
    await circle.asker.privacy.release(**LABELS)
    tables = ("privacy_keys", "privacy_charges", "privacy_ledgers", "privacy_releases")
    for statements in (
        [f"select * from moothill.{table}" for table in tables],
        [
            f"update moothill.{table} set {column} = {column}"
            for table, column in zip(tables, ("secret", "release_id", "spent", "cost"), strict=True)
        ],
        [f"delete from moothill.{table}" for table in (*tables, "privacy_spending")],
        [
            "update moothill.privacy_spending set nano_epsilon = 0",
            "insert into moothill.privacy_spending values (null)",
        ],
        [
            "select * from moothill.privacy_willing(gen_random_uuid())",
            "select * from moothill.privacy_contributors(gen_random_uuid())",
            "select moothill.privacy_lots(gen_random_uuid())",
        ],
    ):
        assert set(await said(sql, await tenant_of(circle), *statements)) == {REFUSED}


async def test_contributions_are_read_by_nobody_but_the_transaction_that_draws_them(
    circle: Circle, sql: psycopg.AsyncConnection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not after a release, not before, not for somebody else's, not by paying for one and looking twice."""
    (member,) = await circle.join({COMMON: (1, 1)})
    release = (await circle.asker.privacy.release(**LABELS)).id
    looks = [f"select * from moothill.{plan}('{release}')" for plan in ("privacy_labels", "privacy_success")]
    for tenant in (await tenant_of(circle), member):
        found = await said(sql, tenant, *looks, f"select moothill.privacy_open('{release}')", *looks)
        assert found == [[], [], [(False,)], [], []]

    async def crash(*_: Any) -> Any:
        raise RuntimeError

    monkeypatch.setattr("moothill.tenancy.privacy.releases._draw", crash)
    with pytest.raises(RuntimeError):
        await circle.asker.privacy.release(**{**LABELS, "query": "success_rates", "labels": [COMMON]})
    ((paid,),) = await circle.ask(
        "select id from moothill.privacy_releases where tenant_group = %s and state = 'charged'", circle.group
    )
    look = f"select * from moothill.privacy_success('{paid}')"
    assert await said(sql, member, look, f"select moothill.privacy_open('{paid}')", look) == [[], [(False,)], []]
    close = f"select moothill.privacy_close('{paid}', '[]', '', gen_random_uuid())"
    assert await said(sql, member, close) == [REFUSED]
    assert await said(sql, await tenant_of(circle), look, close) == [[], REFUSED]


async def test_a_release_of_another_group_is_not_there(
    circle: Circle, sql: psycopg.AsyncConnection[Any], other: Any
) -> None:
    release = (await circle.asker.privacy.release(**LABELS)).id
    stranger = (await other.keys.current()).tenant
    assert await said(
        sql,
        stranger,
        f"select * from moothill.privacy_release_one('{release}')",
        f"select * from moothill.privacy_releases_page('{LAST}', null, 10) where id = '{release}'",
        f"select * from moothill.privacy_ledgers_page(10) where tenant_group = '{circle.group}'",
    ) == [[], [], []]


async def test_what_is_suppressed_stands_nowhere(circle: Circle) -> None:
    """A27: too few tenants, and a label is not told, not stored, not logged, not named in any refusal."""
    await circle.join(*[{SECRET: (1, 1)}] * 9)
    await circle.join(*[{COMMON: (1, 1)}] * 60)
    release = await circle.asker.privacy.release(**LABELS)
    assert [each.label for each in release.cells] == [COMMON]
    told = [
        str(release),
        str(await circle.asker.privacy.releases()),
        str(await circle.asker.privacy.budget()),
        str(await circle.asker.privacy.audit()),
        str(await circle.ask("select to_jsonb(r) from moothill.privacy_releases r where id = %s", release.id)),
        str(await circle.ask("select payload from moothill.events where subject = %s", release.id)),
    ]
    assert [each for each in told if SECRET in each] == []


async def answer_to(circle: Circle, **asked: Any) -> dict[str, Any]:
    """A release without what differs from one to the next: its id, and when it was."""
    release = await circle.asker.privacy.release(**{**LABELS, **asked})
    return release.model_dump(exclude={"id", "charged_at", "released_at", "spent_before", "spent_after", "group"})


@pytest.mark.parametrize("sizes", [(0, 1), (1, 2), (8, 9)])
async def test_one_tenant_more_below_the_floor_changes_nothing_in_the_answer(
    circle: Circle, sizes: tuple[int, int]
) -> None:
    """Rows, fields and codes are those of the neighbour: none at all, or a few with something secret."""
    small, large = sizes
    await circle.join(*[{SECRET: (20, 20)}] * small)
    without = await answer_to(circle, epsilon=Decimal("0.5"))
    await circle.join(*[{SECRET: (20, 20)}] * (large - small))
    # Another question, so that it is drawn anew.
    within = await answer_to(circle, epsilon=Decimal("0.5"), delta=Decimal("0.00000100001"))
    for each in (without, within):
        del each["delta"], each["cost_delta"]
    assert without == within
    assert without["cells"] == []


async def test_a_refusal_says_the_same_whatever_the_data(circle: Circle) -> None:
    """It depends on the question and on the ledger, which everybody in the group may see."""
    refused = []
    await circle.asker.privacy.release(**LABELS)
    for _ in range(2):
        with pytest.raises(Exception, match="nothing was spent") as caught:
            await circle.asker.privacy.release(**{**LABELS, "k_anonymity": 11})
        refused.append((type(caught.value), str(caught.value)))
        await circle.join(*[{SECRET: (1, 1), COMMON: (5, 5)}] * 30)
    assert refused[0] == refused[1]


async def test_odd_labels_do_no_harm(circle: Circle) -> None:
    """Labels are text of strangers: quotes, percent signs, markup and right-to-left all come out as they went in."""
    odd = "o'hara %(tenant)s <b>\u202eevil\u202c {x} \\x ;--"
    await circle.join(*[{odd: (20, 10)}] * 60)
    release = await circle.asker.privacy.release(**LABELS)
    assert [each.label for each in release.cells] == [odd]
    rates = await circle.asker.privacy.release(
        **{**LABELS, "query": "success_rates", "labels": [odd], "epsilon": Decimal("0.9")}
    )
    assert rates.labels == [odd]
