"""Attacks by somebody who has the role for untrusted SQL to himself: no parser, no list of functions in the way.

He may set whatever can be set and read whatever can be read. What he sees without a token that the gate's
key made for this very transaction is nothing; what he sees with one is the tenant that it names.
"""

import hashlib
import hmac
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from tests.integration.isolation.intruder import REFUSED, Ground
from tests.integration.isolation.societies import Society

__all__ = ["Token", "grant_for", "proofs", "token_for"]

ROLE = "moothill_sql"


@dataclass(frozen=True, slots=True)
class Token:
    """A token in its parts, with the secret that signs it."""

    number: int
    tenant: str
    actor: str
    expiry: int
    backend: int
    began: int
    secret: bytes

    @property
    def said(self) -> str:
        return f"{self.number}.{self.tenant}.{self.actor}.{self.expiry}.{self.backend}.{self.began}"

    def __str__(self) -> str:
        return f"{self.said}.{hmac.new(self.secret, self.said.encode(), hashlib.sha256).hexdigest()}"


async def token_for(ground: Ground, society: Society, **changes: Any) -> Token:
    """A token of the transaction that is open here, as the service would make it."""
    cursor = await ground.admin.execute(
        "select k.number, k.secret, pg_backend_pid(), "
        "(extract(epoch from transaction_timestamp()) * 1000000)::bigint from moothill.gate_context_key() as k"
    )
    number, secret, backend, began = (await cursor.fetchall())[0]
    expiry = began // 1_000_000 + 60
    made = Token(number, str(society.id), str(society.agent), expiry, backend, began, bytes(secret))
    return replace(made, **changes)


def grant_for(token: Token, **changes: Any) -> str:
    """What lets a transaction into the tenant of a token, as the service would sign it."""
    made = replace(token, **changes)
    said = f"{made.number}.{made.tenant}.{made.actor}.{made.expiry}"
    return f"{said}.{hmac.new(made.secret, b'grant.' + said.encode(), hashlib.sha256).hexdigest()}"


def _no_grants(token: Token, theirs: Society) -> Iterator[tuple[str, str]]:
    """Grants that let nobody in, and what is wrong with each."""
    good = grant_for(token)
    said, _, digest = good.rpartition(".")
    yield "nothing", ""
    yield "another tenant under the old digest", good.replace(token.tenant, str(theirs.id))
    yield "another secret", grant_for(token, tenant=str(theirs.id), secret=b"x" * 32)
    yield "a key that is none", grant_for(token, number=token.number + 1_000_000)
    yield "a grant that has expired", grant_for(token, expiry=token.began // 1_000_000 - 1)
    yield "a later end under the old digest", good.replace(str(token.expiry), str(token.expiry + 1))
    yield "a digest without the word", f"{said}.{hmac.new(token.secret, said.encode(), hashlib.sha256).hexdigest()}"
    yield "a token, which every statement may read", str(token)
    yield "a token without its place", f"{said}.{str(token).rpartition('.')[2]}"
    yield "a part too many", f"{said}..{digest}"
    yield "half a digest", good[:-32]
    yield "a digest in capitals", f"{said}.{digest.upper()}"
    yield "text that is none of it", "1.2.3.4.5"


def _forged(token: Token, theirs: Society) -> Iterator[tuple[str, str]]:
    """Tokens that prove nothing, and what is wrong with each."""
    good = str(token)
    said, _, digest = good.rpartition(".")
    yield "nothing", ""
    yield "an id alone", str(theirs.id)
    yield "another tenant under the old digest", good.replace(token.tenant, str(theirs.id))
    yield "another secret", str(replace(token, tenant=str(theirs.id), secret=b"x" * 32))
    yield "no secret", str(replace(token, tenant=str(theirs.id), secret=b""))
    yield "a key that is none", str(replace(token, number=token.number + 1_000_000))
    yield "a key that is no number", good.replace(f"{token.number}.", "x.", 1)
    yield "another backend", str(replace(token, backend=token.backend + 1))
    yield "an earlier transaction", str(replace(token, began=token.began - 1))
    yield "a later transaction", str(replace(token, began=token.began + 1))
    yield "a token that has expired", str(replace(token, expiry=token.began // 1_000_000 - 1))
    yield "a part too many", f"{said}..{digest}"
    yield "a part too few", good.replace(f".{token.actor}", "")
    yield "half a digest", good[:-32]
    yield "an empty digest", f"{said}."
    yield "a digest in capitals", f"{said}.{digest.upper()}"
    yield "a digest and a blank", f"{good} "
    yield "another actor under the old digest", good.replace(token.actor, str(theirs.agent))
    yield "text that is none of it", "%s'; select 1; --.$1.\\.\u00e9.\U0001f600.{}.null"


async def proofs(ground: Ground) -> list[str]:
    """A token shows the rows of its tenant; everything else shows none (A17, A39; 18 of the checklist)."""
    found: list[str] = []
    relations = await _readable(ground)
    if {"agents", "v_active_agents", "capability_evidence"} - set(relations):
        found.append(f"{ROLE} reads too little to be attacked: {relations}")
    counting = " union all ".join(
        f"select '{each}', tenant_id, count(*) from moothill.{each} group by 2" for each in relations
    )
    for society in (ground.ours, ground.theirs):
        async with ground.rolled_back():
            token = await token_for(ground, society)
            rows = await _seen(ground, counting, str(token))
            if isinstance(rows, str) or {owner for _, owner, _ in rows} != {society.id}:
                found.append(f"a token of {society.marker} shows {rows}")
            elif missing := set(relations) - {name for name, *_ in rows}:
                found.append(f"a token of {society.marker} shows nothing of {missing}")
    async with ground.rolled_back():
        token = await token_for(ground, ground.ours)
        for name, text in _forged(token, ground.theirs):
            rows = await _seen(ground, counting, text)
            if rows != []:
                found.append(f"{name} shows {rows}")
        found += await _by_settings(ground, counting)
        found += await _by_grants(ground, counting, token)
    return found + await _beyond(ground) + await _out_of_reach(ground)


async def _readable(ground: Ground) -> list[str]:
    cursor = await ground.admin.execute(
        "select c.relname::text from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attname = 'tenant_id' "
        "where c.relnamespace = 'moothill'::regnamespace and has_column_privilege(%s, c.oid, a.attnum, 'select') "
        "order by 1",
        [ROLE],
    )
    return [row[0] for row in await cursor.fetchall()]


async def _seen(ground: Ground, statement: str, token: str) -> Any:
    """What the role sees while it shows a token; the code and words of a refusal."""
    setting = f"select set_config('app.context_token', $token${token}$token$, true)"
    async with ground.rolled_back():
        told = await ground.attempt_and_keep(setting, role=ROLE, tenant=None)
        assert told.state is None, told
        outcome = await ground.attempt(statement, role=ROLE, tenant=None)
    return str(outcome) if outcome.state else list(outcome.rows)


async def _by_grants(ground: Ground, counting: str, token: Token) -> list[str]:
    """The one way in, with what is no grant; and with one, as the control."""
    found: list[str] = []
    for name, text in [("a grant", grant_for(token)), *_no_grants(token, ground.theirs)]:
        async with ground.rolled_back():
            entering = f"select moothill.sql_enter($grant${text}$grant$, 5000)"
            told = await ground.attempt_and_keep(entering, role=ROLE, tenant=None)
            let_in = told.state is None and told.rows[0][0] is not None
            outcome = await ground.attempt(counting, role=ROLE, tenant=None)
            owners = {owner for _, owner, _ in outcome.rows}
        if let_in != (name == "a grant") or owners != ({ground.ours.id} if let_in else set()):
            found.append(f"{name} lets in: {told}, {owners}")
    return found


async def _by_settings(ground: Ground, counting: str) -> list[str]:
    """Settings that other roles' tenants are made of."""
    found: list[str] = []
    for name in ("app.current_tenant", "app.current_actor", "app.context_token", "role", "session_authorization"):
        async with ground.rolled_back():
            for value in (str(ground.theirs.id), ground.theirs.marker, "moothill_owner"):
                statement = f"select set_config('{name}', '{value}', true)"
                told = await ground.attempt_and_keep(statement, role=ROLE, tenant=None)
                if name in ("role", "session_authorization") and value == "moothill_owner" and told.state is None:
                    # The superuser behind the attempt may; whether the role itself may, `_beyond` asks.
                    continue
                rows = await _seen(ground, counting, "")
                if rows != []:
                    found.append(f"{name} = {value} shows {rows}")
    return found


async def _beyond(ground: Ground) -> list[str]:
    """What the role must not be able to do at all, whatever it proves."""
    found: list[str] = []
    attempts = (
        "select * from moothill.context_keys",
        "select * from moothill.api_keys",
        "select * from moothill.events",
        "select * from moothill.tenants",
        "select config from moothill.agents",
        "select * from moothill.gate_context_key()",
        "select * from moothill.gate_key_find(sha256('x'))",
        "select * from moothill.search_models(null)",
        "select mt.set_context(gen_random_uuid(), gen_random_uuid(), 'system', 1000)",
        "select mt.tenant()",
        "insert into moothill.agent_tags select tenant_id, 'tag', 'x', agent_id from moothill.agent_tags",
        "update moothill.agents set name = 'x'",
        "delete from moothill.agent_tags",
        "truncate moothill.agent_tags",
        "create temporary table agents (id uuid)",
        "create table moothill.shadow (id uuid)",
        "create table public.shadow (id uuid)",
        "create function moothill.proved_tenant() returns uuid language sql as 'select null::uuid'",
        "lock table moothill.agents in access exclusive mode",
        "copy moothill.agents to stdout",
        "alter table moothill.agents disable row level security",
    )
    async with ground.rolled_back():
        token = await token_for(ground, ground.ours)
        for statement in attempts:
            outcome = await _seen(ground, statement, str(token))
            if not isinstance(outcome, str) or not outcome.startswith(REFUSED):
                found.append(f"{ROLE} may {statement}: {outcome}")
    return found


async def _out_of_reach(ground: Ground) -> list[str]:
    """The role is a member of none, and none of its functions was forgotten."""
    cursor = await ground.admin.execute(
        "select r.rolname::text from pg_roles r where r.rolname <> %s and pg_has_role(%s, r.oid, 'member')",
        [ROLE, ROLE],
    )
    found = [f"{ROLE} may become {row[0]}" for row in await cursor.fetchall()]
    cursor = await ground.admin.execute(
        "select format('%%s.%%s', n.nspname, p.proname) from pg_proc p join pg_namespace n on n.oid = p.pronamespace "
        "where n.nspname in ('moothill', 'mt') and has_function_privilege(%s, p.oid, 'execute') order by 1",
        [ROLE],
    )
    callable_ = [row[0] for row in await cursor.fetchall()]
    if callable_ != ["moothill.sql_enter", "moothill.sql_line", "moothill.sql_price", "mt.proved_tenant"]:
        found.append(f"{ROLE} may call {callable_}")
    return found
