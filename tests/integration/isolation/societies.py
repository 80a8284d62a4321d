"""Two societies with the same names and keys and different contents, and a twin that shares even the ids.

They are filled through the public operations. What no operation writes yet (work of the runner, the
relay and remote embedding providers) is put in behind the application's back. A table that neither way
fills is named by `unfilled`: a new one has to be taught here before the suite passes again.
"""

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal, LiteralString, get_args
from uuid import UUID, uuid4

import psycopg

from moothill.moot import Moot
from moothill.registry.agents import AgentDetails, Heartbeat, NewSkill
from moothill.registry.capabilities import NewCapability, NewEvidence
from moothill.tenancy.sharing.models import DataClass
from moothill.work.tasks import Completion, Failure, NewTask
from tests.integration.isolation.catalog import Catalog

__all__ = ["HANDLER", "LEASE", "MODEL", "Society", "copy_as_twin", "fill_up", "settle", "unfilled"]

# A second model, whose vectors lie in a partition of each society's own.
MODEL = "isolation_8"
LEASE = "isolation"
HANDLER = "isolation.handler"

# Put in as the superuser. `events` and `access_log` fill the months that lie ahead and the net under all of them.
_BEHIND: Mapping[str, LiteralString] = {
    "events": """
        insert into moothill.events (tenant_id, id, kind, actor, actor_kind, operation, payload)
        select %(tenant)s, (left(mt.uuid7_floor(m.moment)::text, 24) || right(gen_random_uuid()::text, 12))::uuid,
               'isolation.past', gen_random_uuid(), 'system', 'isolation', jsonb_build_object('said', %(marker)s::text)
        from (values (now()), (now() + interval '1 month'), (timestamptz '2001-01-01')) as m (moment),
             generate_series(1, 2)
    """,
    "access_log": """
        insert into moothill.access_log (tenant_id, id, accessor, kind, data_class, operation, actor, actor_kind,
                                         actor_name)
        select %(tenant)s, (left(mt.uuid7_floor(m.moment)::text, 24) || right(gen_random_uuid()::text, 12))::uuid,
               gen_random_uuid(), 'read', 'agents', 'isolation', gen_random_uuid(), 'system', %(marker)s
        from (values (now()), (now() + interval '1 month'), (timestamptz '2001-01-01')) as m (moment),
             generate_series(1, 2)
    """,
    # Enough of one query, and slow enough, to stand in every view.
    "search_sessions": """
        insert into moothill.search_sessions (tenant_id, id, query_text, query_hash, search_type, max_results,
                                              result_count, execution_ms, actor_id, actor_kind, created_at)
        select %(tenant)s, (left(mt.uuid7_floor(m.moment)::text, 24) || right(gen_random_uuid()::text, 12))::uuid,
               'what of ' || %(marker)s, sha256(convert_to(%(marker)s, 'UTF8')), 'text', 10, 0, 500,
               gen_random_uuid(), 'operator', m.moment
        from (values (now()), (now() + interval '1 month'), (timestamptz '2001-01-01')) as m (moment),
             generate_series(1, 7)
    """,
    "search_feedback": """
        insert into moothill.search_feedback (tenant_id, session_id, item_id, verdict, position, query_hash, actor_id)
        select %(tenant)s, s.id, gen_random_uuid(), 'rejected', 1, s.query_hash, s.actor_id
        from moothill.search_sessions s where s.tenant_id = %(tenant)s order by s.id limit 2
    """,
    "search_judgements": """
        with query as (
          insert into moothill.search_judged_queries (tenant_id, id, judged_set, query_text, query_hash, source)
          select %(tenant)s, gen_random_uuid(), 'demo', 'where is ' || %(marker)s || n, sha256(n::text::bytea),
                 'given'
          from generate_series(1, 2) n
          returning tenant_id, id
        )
        insert into moothill.search_judgements (tenant_id, query_id, item_id, grade, source)
        select q.tenant_id, q.id, i.id, 3, 'given'
        from query q
        cross join lateral (
          select i.id from moothill.search_items i where i.tenant_id = %(tenant)s order by i.id limit 1) i
    """,
    # Computed by a job, with a library that may be missing.
    "graph_analyses": """
        insert into moothill.graph_analyses (tenant_id, id, agents, relationships, samples, communities, seconds,
                                             read_at, finished_at)
        select %(tenant)s, gen_random_uuid(), 7, 7, 7, n, 1, now(), now() - n * interval '1 hour'
        from generate_series(1, 2) as n
    """,
    "agent_centrality": """
        insert into moothill.agent_centrality (tenant_id, analysis_id, agent_id, degree, in_degree, out_degree,
                                               degree_centrality, pagerank, betweenness, community)
        select a.tenant_id, n.id, a.id, 1, 1, 1, 0.5, 0.1, 0.5, 0
        from moothill.agents a join moothill.graph_analyses n on n.tenant_id = a.tenant_id
        where a.tenant_id = %(tenant)s
    """,
    "rate_buckets": """
        insert into moothill.rate_buckets (tenant_id, name, amount, tokens, refilled_at)
        select %(tenant)s, name, 7, 7, now() from unnest(array['calls', 'calls:agents']) as name
    """,
    "embedding_queue": """
        insert into moothill.embedding_queue (tenant_id, model, item_id, error)
        select tenant_id, 'isolation_8', id, %(marker)s from moothill.search_items where tenant_id = %(tenant)s
        order by id limit 2
    """,
    "embedding_moves": """
        insert into moothill.embedding_moves (tenant_id, id, model, item_id)
        select tenant_id, gen_random_uuid(), 'isolation_8', id from moothill.search_items where tenant_id = %(tenant)s
        order by id limit 2
    """,
    "parked_events": """
        insert into moothill.parked_events (handler, tenant_id, event_id, incarnation, txid, subject, is_wide, attempts,
                                            next_attempt_at, error, dead)
        select 'isolation.handler', tenant_id, id, incarnation, txid, coalesce(subject, id), false, 1,
               case when number = 1 then now() end, %(marker)s, number <> 1
        from (select *, row_number() over (order by id desc) as number
              from moothill.events where tenant_id = %(tenant)s) e
        where number <= 3
    """,
    # Paid for and not drawn yet.
    "privacy_releases": """
        update moothill.privacy_releases set state = 'charged', output = null, released_at = null, drawn_in = null
        where asked_by = %(tenant)s and place = 1
    """,
    "privacy_charges": """
        insert into moothill.privacy_charges (tenant_id, release_id)
        select %(tenant)s, gen_random_uuid() from generate_series(1, 2)
    """,
    "privacy_spending": """
        insert into moothill.privacy_spending (tenant_id, epoch, nano_epsilon)
        select %(tenant)s, month, 7 from unnest(array['2001-01', '2001-02']) as month
    """,
    "retention_archives": """
        insert into moothill.retention_archives (tenant_id, id, class, file, rows, bytes, sha256, digest, state, cutoff,
                                                 first_at, last_at)
        select %(tenant)s, gen_random_uuid(), 'events', left(%(marker)s, 20) || n || '.parquet', 1, 1,
               repeat('a', 64), repeat('b', 64), 'settled', now(), now(), now()
        from generate_series(1, 2) n
    """,
    "erasure_reports": """
        insert into moothill.erasure_reports (number, asked_in, kind, document, digest)
        select coalesce((select max(number) from moothill.erasure_reports), 0) + n, %(tenant)s, 'agent',
               jsonb_build_object('report', jsonb_build_object('tenant', %(tenant)s, 'reason', %(marker)s::text),
                                  'signature', '{"public_key": "", "value": ""}'::jsonb),
               encode(sha256(convert_to(%(marker)s::text || n, 'UTF8')), 'hex')
        from generate_series(1, 2) n
    """,
    "job_queue": """
        update moothill.job_queue set holder = %(marker)s, epoch = 7, due_at = now() + interval '1 hour'
        where tenant_id = %(tenant)s
    """,
    # None is active: nobody here has what unwraps them.
    "tenant_keys": """
        insert into moothill.tenant_keys (tenant_id, number, wrapped, kek, state)
        select %(tenant)s, number, convert_to(%(marker)s, 'UTF8'), 'isolation', 'retired'
        from generate_series(1, 2) as number
    """,
    # Old enough to be forgotten, by their own society's schedule only.
    "idempotency_keys": """
        update moothill.idempotency_keys set claimed_at = now() - interval '2 days' where tenant_id = %(tenant)s
    """,
}
_ONCE: tuple[LiteralString, ...] = (
    "insert into moothill.leases values ('isolation', 'isolation', 1, now(), now() + interval '1 day')",
    "insert into moothill.handler_cursors (handler, kinds) values ('isolation.handler', '{isolation.past}')",
)


@dataclass(frozen=True, slots=True)
class Society:
    """A tenant with rows everywhere.

    Attributes:
        marker: a word that stands in its texts and in nobody else's.
        agent: id of an agent whose key only this society has; `agent_key` is that key.
        skill: a skill of that agent, `capability` the id of a capability of it.
        key: id of an API key, `secret` of it: every scope of the tenant, none of the platform.
        partner: slug of a tenant that shares with this one, and may read it by `grant`.
        release: id of a release that its group has paid for and not drawn.
        hold: id of a legal hold on another agent of it.
        account: name of a service account that only this society has.
        session: id of a search that the agent made, `item` its first hit.
        companion: id of an agent that `agent` works with, by the relationship `relationship`.
        task: id of a task that one of its agents holds.
    """

    moot: Moot
    id: UUID
    slug: str
    marker: str
    agent: UUID
    agent_key: str
    skill: str
    capability: UUID
    job: UUID
    event: UUID
    key: UUID
    secret: str
    partner: str
    grant: UUID
    release: UUID
    hold: UUID
    account: str
    session: UUID
    item: UUID
    companion: UUID
    relationship: UUID
    task: UUID


async def settle(platform: Moot, word: str) -> Society:
    """A society, as its own operator would set it up."""
    marker = f"{word}{secrets.token_hex(4)}"
    # A group of its own: what a group releases is for all of it.
    made = await platform.tenants.create(
        slug=f"t-{uuid4().hex}", name=f"Society of {marker}", project=f"group of {marker}"
    )
    moot = platform.tenant(made.slug)
    await _register(moot, marker, "ada", "bela")
    skill = f"{marker} lore"
    alone = await moot.agents.register(
        agent_id=f"{marker}-alone",
        name=f"Alone {marker}",
        description=f"Reviews contracts alone, for {marker}.",
        tags=[marker],
        details=AgentDetails(skills=[NewSkill(name=skill, experience_points=3)], metadata={"said": marker}),
    )
    mentions = (f"reviewing for {marker}", f"reading for {marker}")
    (capability, _) = await moot.capabilities.add(
        agent=alone.agent_id,
        capabilities=[
            NewCapability(
                name=name,
                description=f"Reading every clause for {marker}.",
                aliases=[f"alias of {marker}"],
                tags=[marker],
                confidence=Decimal("0.8"),
                evidence=[NewEvidence(chunk_id=uuid4(), chunk_type="task", mention=each) for each in mentions],
            )
            for name in ("Reviewing contracts", f"Sealing {marker} deeds")
        ],
    )
    for number in (1, 2):
        await moot.agents.load(content=_card(marker, number), format="a2a")
    statuses: tuple[Literal["busy", "active"], ...] = ("busy", "active")
    for status in statuses:
        await moot.agents.heartbeat(beats=[Heartbeat(agent=key, status=status) for key in ("ada", "bela")])
    await moot.agents.set_status(agent=alone.agent_id, status="maintenance", reason=marker)
    companion, relationship = await _connect(moot, marker, alone.agent_id)
    task = await _work(moot, marker)
    hold = await _hold(moot, marker, alone.agent_id)
    issued = await moot.keys.create(name=f"operator of {marker}", scopes=["*"])
    await _employ(moot, marker)
    its_own = await moot.keys.create(name=f"agent of {marker}", scopes=["agents:heartbeat"], agent=str(alone.id))
    await moot.with_key(its_own.secret).agents.heartbeat(beats=[Heartbeat(agent=alone.agent_id)])
    jobs = [await moot.search.reindex.options(reason=marker)() for _ in range(2)]
    events = await moot.events.list(subject=alone.id)
    release = await _release(moot, marker)
    beside = await platform.tenants.create(slug=f"t-{uuid4().hex}", name=f"Partner of {marker}")
    partner = platform.tenant(beside.slug)
    await _register(partner, marker, "ada", alone.agent_id)
    grants = [*await _share(partner, moot), *await _share(moot, partner)]
    for _ in range(2):
        await partner.sharing.agents(owner=made.slug)
    found = await moot.view_as(alone.agent_id).search.find(text=f"reviewing contracts for {marker}")
    assert found.session is not None
    return Society(
        moot=moot,
        id=made.id,
        slug=made.slug,
        marker=marker,
        agent=alone.id,
        agent_key=alone.agent_id,
        skill=skill,
        capability=capability.id,
        job=jobs[0].id,
        event=events.items[0].id,
        key=issued.key.id,
        secret=issued.secret,
        partner=beside.slug,
        grant=grants[-1],
        release=release,
        hold=hold,
        account=f"importer of {marker}",
        session=found.session,
        item=found.hits[0].id,
        companion=companion,
        relationship=relationship,
        task=task,
    )


async def _release(moot: Moot, marker: str) -> UUID:
    """Two releases of its group; the id of the first."""
    await moot.privacy.configure(version=0, allowed_tenant_groups=[marker])
    made = [await moot.privacy.release(query="popular_labels", epsilon=Decimal("0.1"), k_anonymity=k) for k in (10, 11)]
    return made[0].id


async def _connect(moot: Moot, marker: str, agent: str) -> tuple[UUID, UUID]:
    """Relationships with evidence: of the agent with one beside it, whose id comes back first, and of that one."""
    made = [
        await moot.relationships.put(
            source=source,
            target=target,
            type="COLLABORATES_WITH",
            confidence=Decimal("0.9"),
            directional=True,
            evidence=[uuid4(), uuid4()],
            context=f"Seen together for {marker}.",
        )
        for source, target in ((agent, "ada"), ("ada", "bela"))
    ]
    return (await moot.agents.get(agent="ada")).id, made[0].id


async def _work(moot: Moot, marker: str, agent: str = "ada") -> UUID:
    """Tasks in every table of theirs; the id of one that an agent holds."""
    for group in ("", marker):
        await moot.queues.configure(queue="default", group=group, max_running=3, rate_limit=900, rate_seconds=1)
    for queue in ("default", marker):
        await moot.queues.pause(queue=queue, reason=marker)
        await moot.queues.resume(queue=queue)
    await moot.tasks.enqueue_many(tasks=[_task(marker, number) for number in range(14)])
    workers = [uuid4(), uuid4()]
    taken = [each for worker in workers for each in await moot.tasks.claim(agent=agent, worker=worker, limit=4)]
    await moot.tasks.complete_many(
        attempts=[Completion(task=each.id, token=each.token, result={"said": marker}) for each in taken[:3]]
    )
    await moot.tasks.fail_many(
        attempts=[
            Failure(task=each.id, token=each.token, error=f"No {marker}.", retryable=False) for each in taken[3:5]
        ]
    )
    for each in taken[5:7]:
        await moot.tasks.wait(task=each.id, token=each.token, prompt=f"Where is {marker}?", signal=marker)
    await moot.tasks.signal(signal=marker, payload={"said": marker})
    parents = [str(each.id) for each in taken[:2]]
    task = await moot.tasks.enqueue(title=f"Hold {marker}", queue=f"held {marker}", depends_on=parents)
    for _ in range(2):
        (held,) = await moot.tasks.claim(agent=agent, queues=[task.queue])
        await moot.tasks.progress(task=held.id, token=held.token, phase=marker, percentage=Decimal(40), message=marker)
        if held.attempt == 1:
            for name in ("fetch", marker):
                await moot.tasks.record_step(task=held.id, token=held.token, name=name, result={"said": marker})
            await moot.tasks.fail(task=held.id, token=held.token, error=marker, retry_seconds=0)
    below = [
        NewTask(
            title=f"Below {marker}", task_id=f"{marker}-below-{number}", depends_on=[str(task.id)], parent=str(task.id)
        )
        for number in range(2)
    ]
    report = await moot.tasks.enqueue_many(tasks=below)
    await moot.tasks.depend(task=str(report.ids[1]), on=str(report.ids[0]))
    return task.id


def _task(marker: str, number: int) -> NewTask:
    return NewTask(
        title=f"Copy {marker} {number}",
        task_id=f"{marker}-{number}",
        description=f"For {marker}.",
        payload={"said": marker},
        queue=marker if number % 2 else "default",
        group=marker if number % 3 == 0 else "",
        tags=[marker, "copying"],
        unique_key=f"{marker}-{number}",
        metadata={"said": marker},
    )


async def _hold(moot: Moot, marker: str, agent: str) -> UUID:
    """Policies, holds that were released, and one that stands."""
    for each in [await moot.retention.hold(agent=agent, reason=marker) for _ in range(2)]:
        await moot.retention.release(hold=each.id)
    for data_class in ("jobs", "access_log"):
        await moot.retention.set(data_class=data_class, action="delete", days=100)
    await moot.retention.hold(agent="bela", reason=marker)
    return (await moot.retention.hold(agent="bela", reason=marker)).id


async def _employ(moot: Moot, marker: str) -> None:
    """Service accounts with keys, and limits."""
    for name in (f"importer of {marker}", "importer"):
        await moot.accounts.register(name=name, description=marker, scopes=["agents:read"])
        await moot.keys.create(name=f"key of {marker}", scopes=["agents:read"], account=name)
    for limit in ("agents", "capabilities"):
        await moot.limits.set(name=limit, amount=1_000_000)


async def _register(moot: Moot, marker: str, *keys: str) -> None:
    for key in keys:
        await moot.agents.register.options(idempotency_key=f"once-{key}", reason=marker)(
            agent_id=key,
            name=f"{key.title()} {marker}",
            description=f"Reviews contracts for {marker}.",
            capabilities=["Reviewing contracts", f"Keeping the {marker} archive"],
            tags=["law", marker],
            details=AgentDetails(specialisations=["law"], skills=[NewSkill(name="law"), NewSkill(name="latin")]),
        )


async def _share(owner: Moot, reader: Moot) -> list[UUID]:
    """Let one tenant read all that another one can share; the ids of the grants."""
    await owner.sharing.set_level(level="shared")
    to = (await reader.sharing.level()).tenant
    return [(await owner.sharing.grant(tenant=to, data_class=each)).id for each in get_args(DataClass)]


def _card(marker: str, number: int) -> str:
    return json.dumps(
        {
            "name": f"Card {number} of {marker}",
            "description": f"A card of {marker}.",
            "supportedInterfaces": [
                {"url": f"https://{marker}.example.com/a2a", "protocolBinding": "JSONRPC", "protocolVersion": "1.0"}
            ],
            "version": "1.0",
            "capabilities": {},
            "defaultInputModes": ["text/plain"],
            "defaultOutputModes": ["text/plain"],
            "skills": [{"id": "s", "name": f"Answering {marker}", "description": marker, "tags": [marker]}],
        }
    )


async def fill_up(admin: psycopg.AsyncConnection[Any], *societies: Society) -> None:
    """Put in what no operation writes yet; give each society a partition of vectors of its own."""
    for once in _ONCE:
        await admin.execute(once)
    await admin.execute("select mt.make_embedding_model(%s, 8)", [MODEL])
    for society in societies:
        told = {"tenant": society.id, "marker": society.marker}
        async with admin.transaction():
            await admin.execute("set local role moothill_app")
            await admin.execute("select mt.set_context(%s, gen_random_uuid(), 'system', 30000)", [society.id])
            await admin.execute(
                "select moothill.put_embedding(tenant_id, %s, id, kind, '[1,0,0,0,0,0,0,0]') "
                "from moothill.search_items where tenant_id = %s",
                [MODEL, society.id],
            )
        await _promote(admin, society)
        for statement in _BEHIND.values():
            await admin.execute(statement, told)


async def _promote(admin: psycopg.AsyncConnection[Any], society: Society) -> None:
    finished = False
    while not finished:
        async with admin.transaction():
            await admin.execute("select mt.set_context(%s, gen_random_uuid(), 'system', 30000)", [society.id])
            step = await admin.execute(
                "select finished from moothill.embedding_promote(%s, %s, 16, 64, 1000, 1000)", [society.id, MODEL]
            )
            finished = bool(await _scalar(step))


async def copy_as_twin(admin: psycopg.AsyncConnection[Any], catalog: Catalog, society: Society, word: str) -> Society:
    """Every row of a society again, in a tenant of its own, under the same ids: only the marker differs.

    Nothing in Moothill makes such a tenant today, but a restore beside the original would; no statement may
    rely on ids that are unique across tenants.
    """
    twin, slug, marker = uuid4(), f"t-{uuid4().hex}", f"{word}{secrets.token_hex(4)}"
    await admin.execute("insert into moothill.tenants (id, slug, name) values (%s, %s, %s)", [twin, slug, marker])
    async with admin.transaction():
        await admin.execute("set local session_replication_role = replica")
        for table in catalog.tables:
            if table.tenant != "tenant_id" or not table.is_secured:
                continue  # a control table's ids are those of the whole database
            columns = ", ".join(f'"{column}"' for column in table.columns)
            made = ", ".join(f'r."{column}"' for column in table.columns)
            statement = f"""
                insert into moothill.{table.name} ({columns})
                select {made}
                from moothill.{table.name} t
                cross join lateral jsonb_populate_record(
                  null::moothill.{table.name},
                  replace(replace(to_jsonb(t)::text, %(old)s, %(new)s), %(said)s, %(says)s)::jsonb) as r
                where t.tenant_id = %(old)s::uuid
            """
            told = {"old": str(society.id), "new": str(twin), "said": society.marker, "says": marker}
            await admin.execute(statement, told)
    return Society(
        moot=society.moot,
        id=twin,
        slug=slug,
        marker=marker,
        agent=society.agent,
        agent_key=society.agent_key.replace(society.marker, marker),
        skill=society.skill.replace(society.marker, marker),
        capability=society.capability,
        job=society.job,
        event=society.event,
        key=society.key,
        secret=society.secret,
        partner=society.partner,
        grant=society.grant,
        release=society.release,
        hold=society.hold,
        account=society.account.replace(society.marker, marker),
        session=society.session,
        item=society.item,
        companion=society.companion,
        relationship=society.relationship,
        task=society.task,
    )


async def unfilled(admin: psycopg.AsyncConnection[Any], catalog: Catalog, *societies: Society) -> list[str]:
    """Tables and partitions with fewer than two rows of a society, which would be attacked in vain."""
    found: list[str] = []
    for relation in (*catalog.tables, *catalog.partitions):
        for society in societies:
            counted = await admin.execute(
                f"select count(*), count(*) filter (where {relation.tenant} = %s) from moothill.{relation.name}",
                [society.id],
            )
            row = await counted.fetchone()
            assert row is not None
            # A tenant is one row among the tenants; a partition of one tenant's vectors holds nobody else's.
            needed = 1 if relation.name in ("tenants", "tenant_privacy", "task_graphs") else 2
            own = relation.is_partition and relation.name.startswith("embedding_")
            if (row[0] if own else row[1]) < needed:
                found.append(f"{relation.name} has {row[1]} rows of {society.marker}; teach societies.py to fill it")
    return found


async def _scalar(cursor: psycopg.AsyncCursor[Any]) -> Any:
    row = await cursor.fetchone()
    assert row is not None
    return row[0]
