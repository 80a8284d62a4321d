"""The design that the documents describe, as written: one HNSW index of all tenants, filtered afterwards.

`m` is 16, `ef_construction` 64 and `ef_search` 40, on `vector` with the cosine operator; the nearest
2 x `max_results` candidates of everybody are found first, and those of the tenant are what is left of them.
"""

import time
from collections.abc import Mapping, Sequence

import psycopg
from pgvector.psycopg import register_vector_async
from psycopg import sql as sql_text

from .report import Row, percentile
from .shelves import MODEL, NEAREST, Shelf
from .telling import counted, tell

__all__ = ["run"]

_MEMORY = "2GB"
_ASK = (
    "with near as materialized (select tenant_id, item_id, embedding <=> %s::vector as distance "
    "from public.shared_design order by embedding <=> %s::vector limit %s) "
    "select item_id from near where tenant_id = %s order by distance limit %s"
)


async def run(shelves: Mapping[int, Sequence[Shelf]], admin_dsn: str, name: str) -> list[Row]:
    """Build it beside ours from the same vectors, and ask it the same queries."""
    rows: list[Row] = []
    async with await psycopg.AsyncConnection.connect(admin_dsn, autocommit=True) as admin:
        tell(f"{name}: building the documents' design")
        await admin.execute("drop table if exists public.shared_design")
        began = time.perf_counter()
        await admin.execute(
            sql_text.SQL(
                "create table public.shared_design as "
                "select tenant_id, item_id, vector::public.vector(768) as embedding from {}"
            ).format(sql_text.Identifier("moothill", f"embedding_{MODEL}"))
        )
        await admin.execute(f"set maintenance_work_mem = '{_MEMORY}'")
        await admin.execute(
            "create index shared_design_hnsw on public.shared_design using hnsw (embedding vector_cosine_ops) "
            "with (m = 16, ef_construction = 64)"
        )
        await admin.execute("create index shared_design_tenant on public.shared_design (tenant_id)")
        await admin.execute("analyze public.shared_design")
        built = time.perf_counter() - began
        await admin.execute("set hnsw.ef_search = 40")
        await register_vector_async(admin)
        case = f"{name}, as described"
        rows += [Row(case, "built", built, "s"), *await _sizes(admin, case)]
        for size, group in shelves.items():
            seconds: list[float] = []
            right = asked = 0
            for shelf in counted(group, f"{name}: asking the documents' design, tenants of {size:,}"):
                for number, query in enumerate(shelf.cloud.queries):
                    began = time.perf_counter()
                    cursor = await admin.execute(_ASK, [query, query, 2 * NEAREST, shelf.tenant, NEAREST])
                    found = [shelf.ids[row[0]] for row in await cursor.fetchall()]
                    seconds.append(time.perf_counter() - began)
                    right += shelf.cloud.hits(number, found)
                    asked += NEAREST
            rows += [
                Row(f"{case}, tenant of {size:,}", "recall@10", right / asked, ""),
                Row(f"{case}, tenant of {size:,}", "p95", percentile(seconds, 0.95) * 1000, "ms"),
            ]
        await admin.execute("drop table public.shared_design")
    return rows


async def _sizes(admin: psycopg.AsyncConnection[tuple[object, ...]], case: str) -> list[Row]:
    cursor = await admin.execute(
        "select pg_relation_size('public.shared_design_hnsw'), pg_table_size('public.shared_design')"
    )
    row = await cursor.fetchone()
    assert row is not None
    return [
        Row(case, "index", float(str(row[0])) / 2**20, "MiB"),
        Row(case, "table", float(str(row[1])) / 2**20, "MiB"),
    ]
