"""Tokens of an identity provider, from a real issuer on loopback: what opens, what does not, and what is said of it."""

import asyncio
import base64
import hashlib
import hmac
import json
import logging
import time
from collections.abc import AsyncIterator
from typing import Any

import jwt
import pytest
import pytest_asyncio
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from moothill.database.control import find_token_actor
from moothill.database.embedded import EmbeddedServer
from moothill.kernel.context import Principal
from moothill.kernel.errors import Invalid, MoothillError, Unauthenticated
from moothill.kernel.settings import Settings
from moothill.moot import Moot
from moothill.session import open_database
from moothill.tenancy.tokens import TokenGate, issuers, token_rules
from moothill.tenancy.tokens.errors import (
    IssuerUnavailable,
    TokenExpired,
    TokenMalformed,
    TokenOfNobody,
    TokenRefused,
)
from tests.conftest import DATABASE
from tests.integration.keys.issuer import AUDIENCE, Issuer, issuing
from tests.serving import serving


@pytest_asyncio.fixture
async def issuer() -> AsyncIterator[Issuer]:
    """An issuer of its own for each test."""
    async with issuing() as made:
        yield made


def with_issuer(settings: Settings, issuer: Issuer) -> Settings:
    return settings.model_copy(update={"oidc_issuers": issuer.url, "oidc_audience": AUDIENCE})


@pytest.fixture
def gate(platform: Moot, settings: Settings, issuer: Issuer) -> TokenGate:
    """A gate that trusts the issuer."""
    assert platform.session is not None
    assert platform.session.database is not None
    rules = token_rules(with_issuer(settings, issuer))
    assert rules is not None
    return TokenGate(rules, platform.session.database)


@pytest_asyncio.fixture
async def tenant(moot: Moot) -> str:
    """Slug of a fresh tenant."""
    return (await moot.keys.current()).tenant_slug


async def refusal(gate: TokenGate, token: str) -> MoothillError:
    with pytest.raises(MoothillError) as refused:
        await gate.authenticate(token)
    assert token not in str(refused.value.to_problem())
    return refused.value


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA"])
async def test_a_token_of_the_issuer_opens_its_tenant(
    gate: TokenGate, issuer: Issuer, tenant: str, algorithm: str
) -> None:
    found = await gate.authenticate(issuer.token(algorithm, moothill_tenant=tenant))
    assert (found.tenant_slug, found.actor.kind, found.actor.name) == (tenant, "operator", "Ada")
    assert found.may("agents:read")
    assert not found.may("agents:write")
    again = await gate.authenticate(issuer.token(algorithm, moothill_tenant=tenant))
    assert again.actor.id == found.actor.id
    other = await gate.authenticate(issuer.token(algorithm, moothill_tenant=tenant, sub="bela@example.com"))
    assert other.actor.id != found.actor.id


async def test_a_token_never_reaches_above_its_tenant(gate: TokenGate, issuer: Issuer, tenant: str) -> None:
    found = await gate.authenticate(issuer.token(moothill_tenant=tenant, scope="* platform:* platform:tenants"))
    assert found.may("agents:write")
    assert not found.may("platform:tenants")


async def test_scopes_may_be_a_list_and_what_is_none_of_ours_is_passed_over(
    gate: TokenGate, issuer: Issuer, tenant: str
) -> None:
    scopes = ["agents:read", "profile", "A:B", 7, None, "agents:read", "x" * 1000]
    found = await gate.authenticate(issuer.token(moothill_tenant=tenant, scope=scopes))
    assert found.scopes == {"agents:read", "keys:self"}
    none = await gate.authenticate(issuer.token(moothill_tenant=tenant, scope={"agents": "read"}))
    assert none.scopes == {"keys:self"}


async def test_a_service_account_and_an_agent_are_themselves(
    gate: TokenGate, issuer: Issuer, tenant: str, moot: Moot
) -> None:
    account = await moot.accounts.register(name="importer", scopes=["agents:*"])
    agent = await moot.agents.register(name="Ada")
    found = await gate.authenticate(
        issuer.token(moothill_tenant=tenant, moothill_actor="service:importer", scope="agents:read keys:write")
    )
    assert (found.actor.kind, found.actor.id) == ("service", account.id)
    assert found.scopes == {"agents:read", "keys:self"}
    found = await gate.authenticate(
        issuer.token(moothill_tenant=tenant, moothill_actor=f"agent:{agent.agent_id}", scope="* agents:heartbeat")
    )
    assert (found.actor.kind, found.actor.id) == ("agent", agent.id)
    assert found.scopes == {"agents:heartbeat", "keys:self"}
    await moot.accounts.deactivate(account="importer")
    gate.forget()
    token = issuer.token(moothill_tenant=tenant, moothill_actor="service:importer")
    assert isinstance(await refusal(gate, token), TokenOfNobody)


@pytest.mark.parametrize(
    ("claims", "kind"),
    [
        ({"exp": int(time.time()) - 3600}, TokenExpired),
        ({"exp": None}, TokenRefused),
        ({"exp": "soon"}, TokenRefused),
        ({"exp": float("nan")}, TokenRefused),
        ({"exp": float("inf")}, TokenRefused),
        ({"exp": [1]}, TokenRefused),
        ({"iat": None}, TokenRefused),
        ({"sub": None}, TokenRefused),
        ({"aud": None}, TokenRefused),
        ({"aud": "https://elsewhere.example"}, TokenRefused),
        ({"aud": [AUDIENCE, 7]}, TokenRefused),
        ({"iss": "https://elsewhere.example"}, TokenRefused),
        ({"iss": None}, TokenRefused),
        ({"nbf": int(time.time()) + 3600}, TokenRefused),
        ({"iat": int(time.time()) + 3600}, TokenRefused),
        ({"moothill_tenant": None}, TokenOfNobody),
        ({"moothill_tenant": 7}, TokenOfNobody),
        ({"moothill_tenant": ""}, TokenOfNobody),
        ({"moothill_tenant": "nowhere"}, TokenOfNobody),
        ({"moothill_tenant": "a\x00b"}, TokenOfNobody),
        ({"moothill_actor": "agent:nobody"}, TokenOfNobody),
        ({"moothill_actor": "service:nobody"}, TokenOfNobody),
        ({"moothill_actor": "system:system"}, TokenOfNobody),
        ({"moothill_actor": "agent:"}, TokenOfNobody),
        ({"moothill_actor": ["operator"]}, TokenOfNobody),
    ],
)
async def test_a_token_that_does_not_fit_opens_nothing(
    gate: TokenGate, issuer: Issuer, tenant: str, claims: dict[str, Any], kind: type[MoothillError]
) -> None:
    error = await refusal(gate, issuer.token(**{"moothill_tenant": tenant, **claims}))
    assert type(error) is kind, error
    assert isinstance(error, Unauthenticated)


@pytest.mark.parametrize(
    "end", [str(int(time.time()) + 600), 10**18, float(int(time.time()) + 600)], ids=["text", "far", "fraction"]
)
async def test_an_end_may_be_written_oddly_and_holds(gate: TokenGate, issuer: Issuer, tenant: str, end: Any) -> None:
    found = await gate.authenticate(issuer.token(moothill_tenant=tenant, exp=end))
    assert found.key_expires_at is not None


async def test_one_of_several_audiences_is_enough(
    platform: Moot, settings: Settings, issuer: Issuer, tenant: str
) -> None:
    both = with_issuer(settings, issuer).model_copy(update={"oidc_audience": f"{AUDIENCE}, {AUDIENCE}/mcp"})
    rules = token_rules(both)
    assert rules is not None
    assert platform.session is not None
    assert platform.session.database is not None
    gate = TokenGate(rules, platform.session.database)
    for audience in (AUDIENCE, f"{AUDIENCE}/mcp", ["x", AUDIENCE]):
        await gate.authenticate(issuer.token(moothill_tenant=tenant, aud=audience))
    assert isinstance(await refusal(gate, issuer.token(moothill_tenant=tenant, aud=f"{AUDIENCE}/x")), TokenRefused)


async def test_the_leeway_is_small(gate: TokenGate, issuer: Issuer, tenant: str) -> None:
    now = int(time.time())
    await gate.authenticate(issuer.token(moothill_tenant=tenant, exp=now - 10))
    await gate.authenticate(issuer.token(moothill_tenant=tenant, nbf=now + 10))
    assert isinstance(await refusal(gate, issuer.token(moothill_tenant=tenant, exp=now - 60)), TokenExpired)


def _unsigned(header: dict[str, Any], claims: dict[str, Any], signature: str = "") -> str:
    parts = [base64.urlsafe_b64encode(json.dumps(each).encode()).rstrip(b"=").decode() for each in (header, claims)]
    return ".".join([*parts, signature])


def _by_shared_secret(secret: bytes, header: dict[str, Any], claims: dict[str, Any]) -> str:
    """By hand: the library would not make such a token."""
    said = _unsigned(header, claims)[:-1]
    signature = hmac.new(secret, said.encode(), hashlib.sha256).digest()
    return f"{said}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


async def test_no_algorithm_is_confused_with_another(gate: TokenGate, issuer: Issuer, tenant: str) -> None:
    """`none`, a public key as a shared secret, a key of another kind, a key of another owner."""
    good = issuer.token(moothill_tenant=tenant)
    claims = jwt.decode(good, options={"verify_signature": False})
    rsa_key = issuer.keys["first", "RS256"]
    public = rsa_key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    forged = [
        _unsigned({"alg": "none", "kid": "first-RS256"}, claims),
        _unsigned({"alg": "None", "kid": "first-RS256"}, claims),
        _unsigned({"kid": "first-RS256"}, claims),
        _unsigned({"alg": ["RS256"], "kid": "first-RS256"}, claims, "AAAA"),
        _by_shared_secret(public, {"alg": "HS256", "kid": "first-RS256"}, claims),
        jwt.encode(claims, Issuer.make("RS256"), algorithm="RS256", headers={"kid": "first-RS256"}),
        jwt.encode(claims, issuer.keys["first", "ES256"], algorithm="ES256", headers={"kid": "first-RS256"}),
        jwt.encode(claims, rsa_key, algorithm="RS384", headers={"kid": "first-RS256"}),
        jwt.encode(claims, rsa_key, algorithm="PS256", headers={"kid": "first-RS256"}),
        jwt.encode(claims, rsa_key, algorithm="RS256", headers={"kid": "first-RS256", "crit": ["x"], "x": 1}),
        good[:-6] + "AAAAAA",
    ]
    for token in forged:
        assert isinstance(await refusal(gate, token), TokenRefused | TokenMalformed), token
    assert isinstance(await gate.authenticate(good), Principal)


async def test_a_short_key_is_refused(gate: TokenGate, issuer: Issuer, tenant: str) -> None:
    issuer.keys = {("first", "RS256"): Issuer.make("RS256", bits=1024)}
    with pytest.warns(jwt.InsecureKeyLengthWarning):
        token = issuer.token(moothill_tenant=tenant)
    assert "2,048 bits" in (await refusal(gate, token)).message


async def test_rotated_keys_are_fetched_once_and_old_ones_stop(
    gate: TokenGate, issuer: Issuer, tenant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = issuer.token(moothill_tenant=tenant)
    await gate.authenticate(old)
    issuer.rotate("second")
    monkeypatch.setattr(issuers, "RETRY_SECONDS", 0.0)
    assert await gate.authenticate(issuer.token(moothill_tenant=tenant))
    gate.forget()
    assert isinstance(await refusal(gate, old), TokenRefused)


async def test_unknown_keys_do_not_make_us_ask_again_and_again(gate: TokenGate, issuer: Issuer, tenant: str) -> None:
    """Whoever sends tokens with made-up ids does not turn this server against the issuer."""
    await gate.authenticate(issuer.token(moothill_tenant=tenant))
    asked = len(issuer.asked)
    tokens = [issuer.token(moothill_tenant=tenant, headers={"kid": f"made-up-{n}"}) for n in range(20)]
    for error in await asyncio.gather(*(refusal(gate, token) for token in tokens)):
        assert isinstance(error, TokenRefused)
    assert len(issuer.asked) <= asked + 2


async def test_a_token_without_an_id_is_taken_where_one_key_fits(gate: TokenGate, issuer: Issuer, tenant: str) -> None:
    claims = jwt.decode(issuer.token(moothill_tenant=tenant), options={"verify_signature": False})
    nameless = jwt.encode(claims, issuer.keys["first", "RS256"], algorithm="RS256")
    assert await gate.authenticate(nameless)


async def test_keys_that_are_known_outlast_an_issuer_that_is_down(
    gate: TokenGate, issuer: Issuer, tenant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await gate.authenticate(issuer.token(moothill_tenant=tenant))
    issuer.status = 503
    monkeypatch.setattr(issuers, "FRESH_SECONDS", 0.0)
    monkeypatch.setattr(issuers, "RETRY_SECONDS", 0.0)
    assert await gate.authenticate(issuer.token(moothill_tenant=tenant))
    assert isinstance(await refusal(gate, issuer.token(moothill_tenant=tenant, headers={"kid": "new"})), TokenRefused)
    monkeypatch.setattr(issuers, "STALE_SECONDS", 0.0)
    # Another bearer's, for what was found true is believed for some seconds.
    assert isinstance(await refusal(gate, issuer.token(moothill_tenant=tenant, sub="bela")), IssuerUnavailable)


@pytest.mark.parametrize(
    "fault",
    [
        {"status": 503},
        {"status": 404},
        {"redirect": "http://127.0.0.1:1/keys"},
        {"padding": 300_000},
        {"named": "https://another.example"},
        {"jwks_uri": "http://192.0.2.1/keys"},
        {"jwks_uri": "file:///etc/passwd"},
        {"jwks_uri": "https://10.0.0.1/keys"},
        {"jwks_uri": "http://user:word@127.0.0.1/keys"},
        {"hangs": True},
    ],
    ids=str,
)
async def test_an_issuer_that_misbehaves_is_unavailable_and_leads_us_nowhere(
    gate: TokenGate, issuer: Issuer, tenant: str, fault: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No redirect is followed, nothing large or slow is read, no address of the inside is asked."""
    monkeypatch.setattr(issuers, "FETCH_SECONDS", 0.3)
    for name, value in fault.items():
        setattr(issuer, name, value)
    error = await refusal(gate, issuer.token(moothill_tenant=tenant))
    assert isinstance(error, IssuerUnavailable)
    assert error.status == 503


async def test_a_huge_token_is_refused_unread(gate: TokenGate, issuer: Issuer, tenant: str) -> None:
    token = issuer.token(moothill_tenant=tenant, padding="x" * 20_000)
    assert isinstance(await refusal(gate, token), TokenMalformed)
    assert issuer.asked == []


@pytest.mark.parametrize("text", ["a.b.c", "eyJ.eyJ.x", "e30.e30.", "." * 2 + "x", "eyJhbGciOiJSUzI1NiJ9.W10.x"])
async def test_what_only_looks_like_a_token_is_refused(gate: TokenGate, issuer: Issuer, text: str) -> None:
    assert isinstance(await refusal(gate, text), TokenMalformed | TokenRefused)
    assert issuer.asked == []


async def test_a_suspended_tenant_and_its_limits_bind_tokens_too(
    gate: TokenGate, issuer: Issuer, tenant: str, platform: Moot, moot: Moot
) -> None:
    await moot.limits.set(name="calls", amount=7)
    found = await gate.authenticate(issuer.token(moothill_tenant=tenant))
    assert found.rates == (("calls", 7),)
    await platform.tenants.suspend(tenant=tenant)
    gate.forget()
    error = await refusal(gate, issuer.token(moothill_tenant=tenant))
    assert error.code == "tenant_suspended"


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({"oidc_issuers": "http://issuer.example"}, "oidc_issuers"),
        ({"oidc_issuers": "https://10.0.0.1"}, "oidc_issuers"),
        ({"oidc_issuers": "https://issuer.example?x=1"}, "oidc_issuers"),
        ({"oidc_issuers": "issuer"}, "oidc_issuers"),
        ({"oidc_issuers": "https://[nonsense"}, "oidc_issuers"),
        ({"oidc_issuers": "https://issuer.example", "oidc_audience": None}, "oidc_audience"),
        ({"oidc_issuers": "https://issuer.example", "oidc_algorithms": "RS256,HS256"}, "oidc_algorithms"),
        ({"oidc_issuers": "https://issuer.example", "oidc_algorithms": "none"}, "oidc_algorithms"),
        ({"oidc_issuers": "https://issuer.example", "oidc_algorithms": " , "}, "oidc_algorithms"),
    ],
)
def test_settings_that_would_let_anybody_in_are_refused(settings: Settings, said: dict[str, Any], field: str) -> None:
    with pytest.raises(Invalid) as refused:
        token_rules(settings.model_copy(update={"oidc_audience": AUDIENCE, **said}))
    assert refused.value.field == field


def test_without_an_issuer_there_are_no_tokens(settings: Settings) -> None:
    assert token_rules(settings) is None


async def test_tokens_work_over_http_and_never_reach_the_log(
    server: EmbeddedServer,
    settings: Settings,
    issuer: Issuer,
    moot: Moot,
    tenant: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    good, bad = issuer.token(moothill_tenant=tenant), issuer.token(moothill_tenant="nowhere")
    shown: list[str] = []
    async with serving(server.dsn("app", DATABASE), with_issuer(settings, issuer)) as live:
        for token, status in ((good, 200), (bad, 401), (good[:-9] + "AAAAAAAAA", 401), ("a.b.c", 401)):
            async with live.client(token) as client:
                answer = await client.get("/v1/keys/current")
            assert answer.status_code == status, answer.text
            shown.append(answer.text)
        async with live.client(good) as client:
            lacking = await client.post("/v1/agents/register", json={"name": "Ada"})
            assert (lacking.status_code, lacking.json()["code"]) == (403, "missing_scope")
            assert 'error="insufficient_scope", scope="agents:write"' in lacking.headers["www-authenticate"]
        issuer.status = 503
        async with live.client(issuer.token(moothill_tenant=tenant, sub="new")) as client:
            assert (await client.get("/v1/keys/current")).status_code == 200
    told = caplog.text + "".join(str(record.__dict__) for record in caplog.records) + "".join(shown)
    for token in (good, bad):
        assert token not in told
        assert token.rpartition(".")[2] not in told
    assert "ada@example.com" not in told


async def test_the_sdk_on_a_database_takes_tokens_too(
    server: EmbeddedServer, settings: Settings, issuer: Issuer, tenant: str
) -> None:
    moot = await open_database(server.dsn("app", DATABASE), with_issuer(settings, issuer), "default")
    try:
        token = issuer.token("ES256", moothill_tenant=tenant)
        assert (await moot.with_key(token).keys.current()).tenant_slug == tenant
    finally:
        await moot.close()


async def test_nobody_becomes_another_by_being_called_by_its_id(gate: TokenGate, moot: Moot, tenant: str) -> None:
    """An agent chooses its own key, an operator the name of an account; an id is always whose it is."""
    for turn in range(3):
        # Whichever of the two came first.
        first = await moot.agents.register(agent_id=f"true-{turn}", name=f"True {turn}")
        await moot.agents.register(agent_id=str(first.id), name=f"False {turn}")
        found = await find_token_actor(gate.database, tenant, "agent", str(first.id))
        assert (found and found["actor_name"]) == f"True {turn}"
        account = await moot.accounts.register(name=f"true-{turn}", scopes=["agents:read"])
        await moot.accounts.register(name=str(account.id), scopes=["*"])
        found = await find_token_actor(gate.database, tenant, "service", str(account.id))
        assert (found and found["actor_name"]) == f"true-{turn}"
        assert (await moot.accounts.get(account=str(account.id))).name == f"true-{turn}"
        await moot.accounts.deactivate(account=str(account.id))
        assert (await moot.accounts.get(account=str(account.id))).name == f"true-{turn}"


@pytest.mark.parametrize("operations", [None, 7, "verify", {"verify": 1}])
def test_a_published_key_whose_uses_are_no_list_is_passed_over(operations: Any) -> None:
    assert not issuers._fits({"kty": "RSA", "key_ops": operations}, "RS256")
