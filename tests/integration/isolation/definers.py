"""Attacks through functions: what the application may call, with the ids of the other society.

A definer function lends rights that the caller lacks, so its body has to name the tenant. Each call
below is made in our context with their ids (the attack), and with our own (the control, which must have an
effect: a call that never does anything proves nothing). A function that the catalog has and this module
does not is a hole until somebody says here what it may do.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from tests.integration.isolation.intruder import REFUSED, Ground, Outcome
from tests.integration.isolation.societies import HANDLER, LEASE, MODEL, Society

__all__ = ["definers"]

# No such function, column, type or syntax: the attack never reached its aim.
MISTAKEN = ("42883", "42703", "42804", "42601")
_UNIT = "array_fill(0.0625::real, array[256])::public.halfvec"
_FILTERS = "false, null, null, null, null"
_ASKED = f"'reviewing', {_UNIT}, null, 'wordllama_256', {_FILTERS}"


@dataclass(frozen=True, slots=True)
class Call:
    """One way to call a function.

    Attributes:
        expects: refused: the server refuses it; nothing: it finds and changes nothing; own: it deals with our own
            rows whatever it is given, so no control is made; harmless: whatever it answers, nothing of theirs changes
            or is told.
    """

    statement: str
    expects: Literal["refused", "nothing", "own", "harmless"]

    @property
    def function(self) -> str:
        """Qualified name of what is called."""
        named = re.search(r"\b(?:moothill|mt)\.\w+(?=\()", self.statement)
        assert named is not None
        return named[0]


CALLS = (
    Call("select * from moothill.gate_tenant_level('strict')", "own"),
    Call("select * from moothill.gate_grant_find((%(tenant)s)::text, 'agents')", "own"),
    Call("select * from moothill.gate_grants_received(%(job)s, 1000)", "own"),
    Call("select * from moothill.gate_key_live(%(key)s)", "nothing"),
    Call(
        'select moothill.gate_event_reseal(%(event)s, \'payload\', \'{"a": 1}\', \'{"$sealed": {"k": 1, "v": "", '
        '"p": "EINwv+T4JXhKBTVHlrE3VDx0XSRQOVeMb0xTg2HEXbc="}}\', \'\', \'{"a": 1}\')',
        "harmless",
    ),
    Call("select * from moothill.gate_key_end(%(key)s, null, null)", "nothing"),
    Call("select * from moothill.gate_keys_page(null, true, 1000)", "own"),
    Call("select * from moothill.gate_keys_revoke(%(agent)s, null, null)", "nothing"),
    Call("select * from moothill.gate_keys_revoke(null, null, null)", "own"),
    Call("select * from moothill.gate_keys_doomed(%(agent)s, null, null, 1000)", "nothing"),
    Call("select * from moothill.gate_keys_doomed(null, null, null, 1000)", "own"),
    Call("select * from moothill.gate_keys_leaked(array[sha256('k')], array[]::text[])", "own"),
    Call("select * from moothill.gate_limits_use()", "own"),
    Call("select moothill.quota_move('agents', 1)", "harmless"),
    Call("select moothill.quota_begin('agents', 100)", "harmless"),
    Call(
        "select * from moothill.gate_key_issue(gen_random_uuid(), 'k', sha256('k'), 'k', 'operator', %(agent)s, 'k', "
        "'{*}', null)",
        "own",
    ),
    Call("select moothill.jobs_queue_add(%(job)s)", "harmless"),
    Call("select moothill.jobs_queue_check(%(job)s, 7)", "nothing"),
    Call("select moothill.jobs_queue_keep(%(job)s, 7, 60)", "nothing"),
    Call("select moothill.jobs_queue_moved(%(job)s, 7, 60)", "nothing"),
    Call("select moothill.jobs_queue_return(%(job)s, 7, 0, true)", "nothing"),
    Call("select moothill.jobs_queue_remove(%(job)s, 7)", "nothing"),
    Call("select moothill.jobs_queue_remove(%(job)s, null)", "harmless"),
    Call("select * from moothill.jobs_retention_state()", "own"),
    Call("select moothill.jobs_retain('events', 1000)", "own"),
    Call("select * from moothill.jobs_archive_page('events', 1000)", "own"),
    Call(
        "select moothill.jobs_archive_note(gen_random_uuid(), 'events', 'k', 1, 1, repeat('a', 64), repeat('a', 64), "
        "now(), now(), now())",
        "own",
    ),
    Call("select moothill.jobs_archive_settle(%(archive)s, repeat('a', 64))", "harmless"),
    Call("select moothill.jobs_archive_replace(%(archive)s, 'k', 1, 1, repeat('a', 64), repeat('a', 64))", "nothing"),
    Call("select moothill.jobs_archive_replace(%(archive)s, 'k', 0, 1, repeat('a', 64), repeat('a', 64))", "nothing"),
    Call("select moothill.jobs_is_erased(%(agent)s)", "own"),
    Call("select moothill.jobs_erase_begin(gen_random_uuid(), %(tenant)s, %(agent)s, 'k', 'k')", "refused"),
    Call("select * from moothill.jobs_reports_page(false, 1000, 1000)", "own"),
    Call("select * from moothill.jobs_export_tables()", "own"),
    *(
        Call(f"select * from moothill.jobs_export_page('{table}', '{{}}', 1000, 10000000)", "own")
        for table in ("agents", "api_keys", "events", "parked_events", "tenants", "embedding_wordllama_256")
    ),
    Call(f"select * from moothill.relay_retry('{LEASE}', 1, '{HANDLER}', %(due)s)", "nothing"),
    Call(f"select moothill.relay_failed('{LEASE}', 1, '{HANDLER}', %(due)s, 'why', 1, false)", "nothing"),
    Call(
        f"select * from moothill.relay_take('{LEASE}', 1, '{HANDLER}', 99, 1, %(event)s, %(agent)s, false)", "harmless"
    ),
    Call(
        f"select moothill.relay_park('{LEASE}', 1, '{HANDLER}', 99, 1, %(event)s, %(agent)s, false, 'why', 1, false)",
        "harmless",
    ),
    Call("select * from moothill.relay_parked(false, null, 0, 0, %(nobody)s, '', 1000)", "own"),
    Call("select * from moothill.relay_status(false)", "own"),
    Call(f"select moothill.relay_redrive('{HANDLER}', %(dead)s)", "nothing"),
    Call(f"select moothill.relay_redrive('{HANDLER}', null)", "own"),
    Call(f"select moothill.relay_discard('{HANDLER}', %(dead)s)", "nothing"),
    Call(f"select moothill.embedding_promote(%(tenant)s, '{MODEL}', 16, 64, 10, 10)", "refused"),
    Call(f"select moothill.embedding_demote(%(tenant)s, '{MODEL}', 1000)", "refused"),
    Call(f"select moothill.embedding_retire(%(tenant)s, '{MODEL}', 10, '0s')", "refused"),
    Call(f"select moothill.put_embedding(%(tenant)s, 'wordllama_256', %(agent)s, 'agent', {_UNIT})", "refused"),
    Call(f"select moothill.put_embedding(%(ours)s, 'wordllama_256', %(agent)s, 'agent', {_UNIT})", "harmless"),
    Call("select moothill.drop_embeddings(%(tenant)s, array[%(agent)s])", "harmless"),
    Call("select moothill.drop_embeddings(%(ours)s, array[%(agent)s])", "harmless"),
    Call(
        f"select * from moothill.search_find(%(tenant)s, {_ASKED}, null, 10, 10, 1, 1, 60, 100, 100, null)",
        "refused",
    ),
    Call(
        f"select * from moothill.search_find(%(ours)s, {_ASKED}, %(agent)s::text, 10, 10, 1, 1, 60, 100, 100, null)",
        "nothing",
    ),
    Call(
        f"select * from moothill.search_find(%(ours)s, null, null, %(agent)s, 'wordllama_256', {_FILTERS}, null, "
        "10, 10, 1, 1, 60, 100, 100, null)",
        "nothing",
    ),
    Call(
        f"select * from moothill.search_find(%(ours)s, null, null, %(agent)s, '{MODEL}', {_FILTERS}, null, "
        "10, 10, 1, 1, 60, 100, 100, null)",
        "nothing",
    ),
    Call("select * from moothill.search_lost(%(tenant)s, null, null, null, null, null, 'reviewing')", "refused"),
    Call(
        "select agent_known from moothill.search_lost(%(ours)s, null, null, null, null, %(agent)s::text, 'reviewing')",
        "nothing",
    ),
    Call(
        "select * from moothill.search_facets(%(tenant)s, 'reviewing', false, null, null, null, null, null, null, 9)",
        "refused",
    ),
    Call(
        "select * from moothill.search_facets(%(ours)s, 'reviewing', false, null, null, null, null, %(agent)s::text, "
        "null, 9)",
        "own",
    ),
    Call("select moothill.search_note(%(tenant)s, %(agent)s, 'kubernetes')", "harmless"),
    Call("select moothill.search_note(%(ours)s, %(agent)s, 'kubernetes')", "harmless"),
    Call("select * from moothill.search_sweep(%(tenant)s, '', 1000)", "refused"),
    Call("select * from moothill.search_models(%(tenant)s)", "refused"),
    Call(f"select * from moothill.search_sample(%(tenant)s, '{MODEL}', 10, 's')", "refused"),
    Call(f"select * from moothill.search_probe(%(tenant)s, '{MODEL}', %(agent)s, %(agent)s, '{{40}}', 3)", "refused"),
    Call(
        f"select hits from moothill.search_probe(%(ours)s, '{MODEL}', %(agent)s, %(agent)s, '{{40}}', 3) "
        "where effort > 0",
        "nothing",
    ),
    Call("select * from moothill.graph_expand(%(tenant)s, array[%(agent)s], array[1], 2, null, 0.5, 9, 9)", "refused"),
    Call(
        "select * from moothill.graph_expand(%(ours)s, array[%(agent)s], array[1], 2, null, 0.5, 9, 9) where hop > 0",
        "nothing",
    ),
    Call("select * from moothill.graph_traverse(%(tenant)s, %(agent)s, 2, null, 0.5, true, true, 9, 9)", "refused"),
    Call(
        "select agents[2:] from moothill.graph_traverse(%(ours)s, %(agent)s, 2, null, 0.5, true, true, 9, 9) "
        "where cardinality(agents) > 1",
        "nothing",
    ),
    Call(
        "select * from moothill.graph_path(%(tenant)s, %(agent)s, %(companion)s, 5, null, 0.5, true, true, 9, 9)",
        "refused",
    ),
    Call(
        "select agents from moothill.graph_path(%(ours)s, %(agent)s, %(companion)s, 5, null, 0.5, true, true, 9, 9)",
        "nothing",
    ),
    Call("select * from moothill.graph_between(%(tenant)s, array[%(agent)s, %(companion)s], null, 0.5, 9)", "refused"),
    Call("select * from moothill.graph_between(%(ours)s, array[%(agent)s, %(companion)s], null, 0.5, 9)", "nothing"),
    Call("select moothill.search_actor_stays('agent', %(agent)s)", "harmless"),
    Call("select mt.same_tenant(%(tenant)s)", "refused"),
    Call("select moothill.task_hint(%(tenant)s, '{default}')", "refused"),
    # Those lend no rights: row security alone decides what they see.
    Call("select * from moothill.task_claim(%(tenant)s, null, null, null, 9, gen_random_uuid(), 60, true)", "nothing"),
    Call(
        "select moothill.task_complete(%(tenant)s, (select jsonb_agg(q) from moothill.task_queue q "
        "where q.tenant_id = %(tenant)s))",
        "harmless",
    ),
    Call(
        "select moothill.task_leave(%(tenant)s, coalesce((select jsonb_agg(q) from moothill.task_queue q "
        "where q.tenant_id = %(tenant)s), '[]'), 'failed', 'k')",
        "harmless",
    ),
    Call("select moothill.task_end(%(tenant)s, array[%(task)s], 'failed', 'k')", "harmless"),
    Call("select moothill.task_settle(%(tenant)s, array[%(task)s])", "harmless"),
    Call("select moothill.task_let_go(%(tenant)s, array[%(task)s], array[%(task)s], array[%(task)s])", "harmless"),
    Call("select moothill.task_count(%(tenant)s, array[%(task)s], array[%(agent)s])", "harmless"),
    Call("select moothill.task_sweep(%(tenant)s, 9)", "harmless"),
    Call("select moothill.task_depend(%(tenant)s, %(task)s, %(task)s, 'blocks')", "refused"),
    Call(
        "select * from moothill.privacy_charge((select to_jsonb(r) || jsonb_build_object('id', gen_random_uuid(), "
        "'digest', '\\x' || repeat('ab', 32)) from moothill.privacy_release_one(%(release)s) r), "
        "1000000000, 1000000000, '1 minute')",
        "own",
    ),
    Call("select moothill.privacy_open(%(release)s)", "nothing"),
    Call("select * from moothill.privacy_labels(%(release)s)", "harmless"),
    Call("select * from moothill.privacy_success(%(release)s)", "harmless"),
    Call("select moothill.privacy_close(%(release)s, '[]', 'k', %(event)s)", "harmless"),
    Call("select * from moothill.privacy_release_one(%(release)s)", "nothing"),
    Call("select * from moothill.privacy_releases_page('ffffffff-ffff-ffff-ffff-ffffffffffff', null, 1000)", "own"),
    Call("select * from moothill.privacy_ledgers_page(1000)", "own"),
)
# What looks from above all tenants, and why that is safe: no tenant's words reach another through it.
ABOVE: Mapping[str, str] = {
    "moothill.gate_tenants_match": "only operations of the platform's scope show what it finds",
    "moothill.gate_tenants_page": "likewise",
    "moothill.gate_tenant_create": "likewise",
    "moothill.gate_tenant_status": "likewise",
    "moothill.gate_token_actor": "finds whom a token names that an issuer signed, before any tenant is known",
    "moothill.gate_rates_share": "counts calls of all tenants in one batch; it tells numbers to the server alone",
    "moothill.gate_key_find": "finds a key by the digest of its secret, before any tenant is known",
    "moothill.gate_context_key": "a key by which a process proves tenants; its callers may enter any of them anyhow",
    "moothill.gate_keys_stale": "data keys of all tenants, wrapped, for who has the platform's scope and the KEK",
    "moothill.gate_key_rewrap": "likewise, for who knows how a key is wrapped now",
    "moothill.gate_keys_used": "writes last uses of keys of all tenants in one batch",
    "moothill.jobs_lease_acquire": "leases belong to processes",
    "moothill.jobs_lease_renew": "likewise",
    "moothill.jobs_lease_release": "likewise",
    "moothill.jobs_lease_check": "likewise",
    "moothill.jobs_schedules_register": "schedules belong to the platform; its scope is asked for",
    "moothill.jobs_schedules_due": "likewise",
    "moothill.jobs_schedule_begin": "likewise",
    "moothill.jobs_schedule_end": "likewise",
    "moothill.jobs_schedules": "likewise",
    "moothill.jobs_schedule_ask": "likewise",
    "moothill.jobs_schedule_pause": "likewise",
    "moothill.jobs_queue_claim": "a runner takes whatever has waited longest; it then acts in that job's tenant",
    "moothill.jobs_months_ahead": "makes partitions",
    "moothill.task_tenants": "workers of every tenant go from tenant to tenant, and claim in the tenant of each",
    "moothill.task_forget_hints": "takes away what is only a hint",
    "moothill.jobs_tenants": "the scheduler goes from tenant to tenant",
    "moothill.relay_register": "the relay reads one log of all tenants, and acts in the tenant of each event",
    "moothill.relay_scout": "likewise",
    "moothill.relay_window": "likewise",
    "moothill.relay_skip": "likewise",
    "moothill.relay_due": "likewise",
    "moothill.embedding_admit": "makes the table of a model",
    "moothill.gate_tenant_known": "tells whether an id is a tenant's, to who was told the id",
    "moothill.privacy_epoch": "arithmetic",
    "moothill.jobs_drop_months": "drops months that the policy of every tenant gives up",
    "moothill.jobs_holds_on": "only operations of the platform's scope ask of a tenant other than their own",
    "moothill.jobs_erasure_count": "likewise",
    "moothill.jobs_erase_rows": "goes on with an erasure that was begun; of an agent, in its own tenant only",
    "moothill.jobs_erase_agent": "likewise",
    "moothill.jobs_erase_log": "likewise",
    "moothill.jobs_erase_traces": "likewise",
    "moothill.jobs_erasure_one": "likewise",
    "moothill.jobs_erasure_went": "likewise",
    "moothill.jobs_erase_end": "likewise",
    "mt.lock_retention": "an advisory lock: SQL can take it anyhow",
    "mt.seal_key": "arithmetic",
    "mt.is_unfit": "arithmetic",
    "mt.is_open_event": "arithmetic",
    "mt.tenant": "tells the context",
    "mt.actor": "likewise",
    "mt.actor_kind": "likewise",
    "mt.set_context": "sets the context: the one way in",
    "mt.uuid7_floor": "arithmetic",
    "mt.uuid7_time": "arithmetic",
    "mt.tenant_lexeme": "arithmetic",
    "mt.incarnation": "counts the lives of the database",
    "mt.horizon": "tells how far the log can be read",
    "mt.hold_embeddings": "an advisory lock: SQL can take it anyhow",
    "mt.hold_words": "likewise",
    "mt.lexeme_query": "arithmetic",
    "mt.word_slips": "arithmetic",
    "mt.task_backoff": "arithmetic",
    "mt.task_rank": "arithmetic",
}


async def definers(ground: Ground) -> list[str]:
    """Functions deal with our own rows, whatever ids they are given (A23)."""
    known = {call.function for call in CALLS} | set(ABOVE)
    found = [
        f"{each.name}: say in definers.py what it may do with another tenant's ids"
        for each in ground.catalog.functions
        if each.name not in known
    ]
    found += [f"{name}: is no function that the application may call" for name in known - _names(ground)]
    secrets = await ground.secrets(*ground.others)
    before = await ground.fingerprint(*ground.others)
    for call in CALLS:
        if call.function not in _names(ground):
            continue
        outcome, after = await _made(ground, call, ground.theirs)
        if outcome.state in MISTAKEN:
            found.append(f"{call.statement}: is not how it is called: {outcome}")
        # What the caller gave may come back to it.
        given = {str(value) for value in (await _values(ground, ground.theirs)).values()}
        found += [f"{call.statement}: tells {word}" for word in secrets - given if word in outcome.text]
        found += [f"{call.statement}: changed {table}" for table in before if before[table] != after[table]]
        if call.expects == "refused" and outcome.state != REFUSED:
            found.append(f"{call.statement}: not refused: {outcome}")
        if call.expects == "nothing" and not _is_nothing(outcome):
            found.append(f"{call.statement}: found something: {outcome}")
        if call.expects in ("refused", "nothing"):
            control, _ = await _made(ground, call, ground.ours)
            if control.state is not None or (call.expects == "nothing" and _is_nothing(control)):
                found.append(f"{call.statement}: does nothing with our own ids either: {control}")
        found += await _beside(ground, call, before)
    return found


async def _beside(ground: Ground, call: Call, before: Mapping[str, str]) -> list[str]:
    """The same call against the twin, whose ids are ours, and in no tenant at all."""
    found: list[str] = []
    outcome, after = await _made(ground, call, ground.twin)
    if call.expects == "refused" and outcome.state != REFUSED:
        found.append(f"{call.statement}: not refused for the twin: {outcome}")
    found += [f"{call.statement}: changed {table} of the twin" for table in before if before[table] != after[table]]
    outcome, after = await _made(ground, call, ground.theirs, inside=False)
    if call.expects in ("refused", "nothing") and outcome.state is None and not _is_nothing(outcome):
        found.append(f"{call.statement}: works in no tenant: {outcome}")
    found += [f"{call.statement}: changed {table} from no tenant" for table in before if before[table] != after[table]]
    return found


def _names(ground: Ground) -> set[str]:
    return {each.name for each in ground.catalog.functions}


async def _made(ground: Ground, call: Call, target: Society, *, inside: bool = True) -> tuple[Outcome, dict[str, str]]:
    """A call with a society's ids from our context, and what others have afterwards."""
    values = await _values(ground, target)
    made: Outcome | None = None
    async with ground.rolled_back():
        made = await ground.attempt_and_keep(call.statement, values, tenant=ground.ours if inside else None)
        after = await ground.fingerprint(*ground.others)
    return made, after


async def _values(ground: Ground, society: Society) -> dict[str, Any]:
    cursor = await ground.admin.execute(
        "select (array_agg(event_id) filter (where next_attempt_at is not null))[1], "
        "(array_agg(event_id) filter (where dead))[1] from moothill.parked_events where tenant_id = %s",
        [society.id if society is not ground.twin else ground.ours.id],
    )
    due, dead = (await cursor.fetchall())[0]
    cursor = await ground.admin.execute(
        "select id from moothill.retention_archives where tenant_id = %s order by id limit 1",
        [society.id if society is not ground.twin else ground.ours.id],
    )
    ((archive,),) = await cursor.fetchall()
    return {
        "ours": ground.ours.id,
        "tenant": society.id,
        "agent": society.agent,
        "task": society.task,
        "companion": society.companion,
        "key": society.key,
        "job": society.job,
        "release": society.release,
        "event": society.event,
        "due": due,
        "archive": archive,
        "dead": dead,
        "nobody": "00000000-0000-0000-0000-000000000000",
    }


def _is_nothing(outcome: Outcome) -> bool:
    """No row, or one that says no."""
    said = [value for row in outcome.rows for value in row if value not in (None, False, 0, "", "past")]
    return outcome.state is None and not said
