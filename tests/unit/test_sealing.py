"""Sealing by itself: published vectors, envelopes, what a seal is bound to, key-encryption keys, and the registry."""

import asyncio
import base64
import copy
import inspect
import re
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import orjson
import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

import moothill.session  # every service, so that all statements are known
from moothill.database.queries import parse_queries, statements
from moothill.database.sealing.envelope import EMPTY, escaped, looks_sealed, read
from moothill.database.sealing.errors import (
    EncryptionNotConfigured,
    KeyEncryptionInvalid,
    KeyEncryptionMissing,
    SealBroken,
    TenantKeysChanged,
)
from moothill.database.sealing.fields import OPEN_EVENTS, SEALED, table_of
from moothill.database.sealing.keys import DataKey, TenantKeys, decrypted
from moothill.database.sealing.ring import KeyRing
from moothill.database.sealing.statements import open_rows, seal_parameters
from moothill.database.sealing.wrapping import KeyFile, LocalKeys, NoKeys, Wrapped, key_encryption_from, parse_keys
from moothill.kernel.errors import Internal
from moothill.kernel.settings import Settings

TENANT = UUID(int=7)
KEYS = TenantKeys(TENANT, 1, {1: DataKey(1, bytes(32))})
PLAIN = TenantKeys(TENANT)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["$sealed", "k", "v", "p", "a"]), inner),
)

# NIST SP 800-38D / McGrew and Viega, test cases 13, 14 and 16: AES-256-GCM.
VECTORS = (
    ("00" * 32, "00" * 12, "", "", "530f8afbc74536b9a963b4f1c4cb738b"),
    ("00" * 32, "00" * 12, "00" * 16, "", "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919"),
    (
        "feffe9928665731c6d6a8f9467308308" * 2,
        "cafebabefacedbaddecaf888",
        "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525"
        "b16aedf5aa0de657ba637b39",
        "feedfacedeadbeeffeedfacedeadbeefabaddad2",
        "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838"
        "c5f61e6393ba7a0abcc9f66276fc6ece0f4e1768cddf8853bb2d551b",
    ),
)


@pytest.mark.parametrize(("key", "nonce", "plain", "bound", "sealed"), VECTORS)
def test_the_cipher_gives_what_is_published(key: str, nonce: str, plain: str, bound: str, sealed: str) -> None:
    raw = bytes.fromhex
    cipher = AESGCM(raw(key))
    assert cipher.encrypt(raw(nonce), raw(plain), raw(bound)).hex() == sealed
    assert decrypted(cipher, raw(nonce) + raw(sealed), raw(bound)) == raw(plain)
    with pytest.raises(InvalidTag):
        decrypted(cipher, raw(nonce) + raw(sealed), raw(bound) + b"x")


@given(value=st.dictionaries(st.sampled_from(["$sealed", "a"]), VALUES), encrypts=st.booleans())
def test_any_json_comes_back_as_it_was(value: dict[str, Any], encrypts: bool) -> None:
    keys = KEYS if encrypts else PLAIN
    for name, row in (("agents.config", ["ada"]), ("events.changes", [uuid4()])):
        table, column = table_of(name)
        stored = orjson.loads(keys.stored(table, column, row, orjson.dumps(value)))
        assert keys.shown(table, column, row, stored) == value
        assert not encrypts or value == {} or read("json", stored) is not None


@given(value=st.text(st.characters(exclude_categories=["Cs"])) | st.text("$sealed:01a"), encrypts=st.booleans())
def test_any_text_comes_back_as_it_was(value: str, encrypts: bool) -> None:
    keys = KEYS if encrypts else PLAIN
    table, column = table_of("capability_evidence.sentence")
    stored = keys.stored(table, column, ["id"], value.encode())
    assert keys.shown(table, column, ["id"], stored) == value


@given(value=st.binary() | st.binary().map(lambda tail: b"$sealed\x00\x01" + tail), encrypts=st.booleans())
def test_any_bytes_come_back_as_they_were(value: bytes, encrypts: bool) -> None:
    keys = KEYS if encrypts else PLAIN
    table, column = table_of("agent_cards.content")
    stored = keys.stored(table, column, ["id"], value)
    assert keys.shown(table, column, ["id"], stored) == value


@given(value=VALUES)
def test_what_only_looks_sealed_is_never_opened(value: Any) -> None:
    found = read("json", value)
    assert found is None or looks_sealed("json", orjson.dumps(value))
    assert read("json", orjson.loads(escaped("json", orjson.dumps(value)))) is None or looks_sealed(
        "json", orjson.dumps(value)
    )


@pytest.mark.parametrize("name", [f"{table.name}.{column}" for table in SEALED.values() for column in table.columns])
def test_a_seal_is_bound_to_tenant_field_row_and_key(name: str) -> None:
    table, column = table_of(name)
    row = [f"part {number}" for number, _ in enumerate(table.bound)]
    content = {"json": b'{"a": 1}', "text": b"a sentence", "bytes": b"bytes"}[table.columns[column]]
    stored = KEYS.stored(table, column, row, content)
    value = orjson.loads(stored) if table.columns[column] == "json" else stored
    found = read(table.columns[column], value)
    assert found is not None
    assert KEYS.opened(table, column, row, found)[0] == content
    other = TenantKeys(UUID(int=8), 1, KEYS.known)
    second = TenantKeys(TENANT, 1, {1: DataKey(1, bytes(31) + b"x")})
    moved = [*row[:-1], f"{row[-1]}!"]
    for keys, place in ((other, row), (second, row), (KEYS, moved)):
        with pytest.raises(SealBroken):
            keys.opened(table, column, place, found)
    for elsewhere in SEALED.values():
        for field in elsewhere.columns:
            if (elsewhere.name, field) != (table.name, column):
                with pytest.raises(SealBroken):
                    KEYS.opened(elsewhere, field, row, found)


def test_two_seals_of_one_value_differ() -> None:
    table, column = table_of("agents.config")
    assert KEYS.stored(table, column, ["a"], b'{"a":1}') != KEYS.stored(table, column, ["a"], b'{"a":1}')


def test_what_is_empty_tells_nothing_and_stays() -> None:
    table, column = table_of("agents.config")
    for plain in (b"{}", b"[]", b"null"):
        assert plain in EMPTY["json"]
        assert KEYS.stored(table, column, ["a"], plain) == plain.decode()
        # A text of these letters is a text.
        sentence = KEYS.stored(*table_of("capability_evidence.sentence"), ["a"], plain)
        assert isinstance(sentence, str)
        assert sentence.startswith("$sealed:")


def test_an_unknown_key_is_looked_for_first() -> None:
    table, column = table_of("agents.config")
    with pytest.raises(TenantKeysChanged) as told:
        KEYS.shown(table, column, ["a"], {"$sealed": {"k": 2, "v": "AAAA"}})
    assert told.value.context == {"retry": True, "key": 2}


def test_no_key_leaves_by_repr_copy_or_pickle() -> None:
    key = DataKey(3, b"\xaa" * 32)
    assert repr(key) == "<DataKey 3>"
    assert "aa" not in repr(TenantKeys(TENANT, 3, {3: key})).replace(str(TENANT), "")
    assert repr(Wrapped("k", b"secret")) == "Wrapped(kek='k')"
    for leaving in (copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="does not leave"):
            leaving(key)


def test_parameters_and_rows_are_sealed_and_opened_in_place() -> None:
    seals = ("capabilities.metadata", "capability_evidence.sentence", "agent_cards.content")
    card = base64.b64encode(b"card").decode()
    rows: list[dict[str, Any]] = [
        {"id": 1, "agent_id": 2, "metadata": {"a": 1}, "sentence": "s", "content": card, "other": 1},
        {"id": 2},
    ]
    given_rows = {"tenant": TENANT, "rows": orjson.dumps(rows).decode()}
    made = seal_parameters(KEYS, seals, given_rows)
    (first, second) = orjson.loads(made["rows"])
    assert (first["other"], second) == (1, {"id": 2})
    assert given_rows["rows"] == orjson.dumps(rows).decode()
    first["content"] = base64.b64decode(first["content"])
    open_rows(KEYS, seals, [first])
    assert first == {**rows[0], "content": b"card"}
    assert seal_parameters(PLAIN, seals, given_rows) is given_rows
    with pytest.raises(Internal, match="agent_id"):
        seal_parameters(KEYS, ("agents.config",), {"config": '{"a":1}'})


class Store:
    """Stored keys of tenants, counted when they are read."""

    def __init__(self, **keks: bytes) -> None:
        self.local = LocalKeys(keks or {"a": bytes(32)})
        self.rows: dict[UUID, list[dict[str, Any]]] = {}
        self.reads = 0

    async def fetch(self, tenant: UUID) -> list[dict[str, Any]]:
        self.reads += 1
        return self.rows.get(tenant, [])

    async def add(self, ring: KeyRing, tenant: UUID) -> None:
        new = await ring.new(tenant, 1)
        row = {"number": 1, "wrapped": new.wrapped.content, "kek": new.wrapped.kek, "state": "active"}
        self.rows[tenant] = [row]


async def test_a_ring_keeps_keys_for_their_time_and_forgets_them_by_itself() -> None:
    store = Store()
    ring = KeyRing(store.local, store.fetch, seconds=0.05)
    await store.add(ring, TENANT)
    first = await asyncio.gather(*(ring.of(TENANT) for _ in range(8)))
    assert ({each.active for each in first}, store.reads) == ({1}, 1)
    gone = asyncio.Event()
    asyncio.get_running_loop().call_later(0.08, gone.set)
    await gone.wait()
    assert not ring._held
    assert ((await ring.of(TENANT)).active, store.reads) == (1, 2)
    ring.forget(TENANT)
    assert ((await ring.of(TENANT)).active, store.reads) == (1, 3)
    await ring.close()
    assert not ring._held


async def test_a_ring_holds_a_thousand_tenants_and_asks_once_for_one_without_keys() -> None:
    store = Store()
    ring = KeyRing(store.local, store.fetch, seconds=60)
    for number in range(1, 1_101):
        await ring.of(UUID(int=number))
    assert (len(ring._held), store.reads) == (1_000, 1_100)
    assert (await ring.of(UUID(int=1_100))).active is None
    assert store.reads == 1_100
    await ring.close()


async def test_a_load_that_was_overtaken_is_not_kept() -> None:
    store = Store()
    ring = KeyRing(store.local, store.fetch, seconds=60)
    loading = asyncio.create_task(ring.of(TENANT))
    await asyncio.sleep(0)
    ring.forget(TENANT)
    await store.add(ring, TENANT)
    assert (await ring.of(TENANT)).active == 1
    await loading
    assert (await ring.of(TENANT)).active == 1
    await ring.close()


async def test_a_wrapped_key_in_another_tenants_place_does_not_unwrap() -> None:
    store = Store()
    ring = KeyRing(store.local, store.fetch, seconds=60)
    await store.add(ring, TENANT)
    store.rows[UUID(int=8)] = store.rows[TENANT]
    keys = await ring.of(UUID(int=8))
    table, column = table_of("agents.config")
    with pytest.raises(KeyEncryptionMissing, match="'a' is not the one"):
        keys.stored(table, column, ["ada"], b'{"a":1}')
    await ring.close()


# --- the registry


# Places that read or write a designated column without its seal, each with why that is right.
UNSEALED = {
    "agents/heartbeats.sql:beat": "payloads of open events",
    "agents/history.sql:status_history": "likewise",
    "agents/loading.sql:known": "source_digest only",
}


def test_every_statement_that_touches_a_sealed_column_says_so() -> None:
    """A new statement that forgets `-- seals:` would show ciphertext, or be refused by the guard."""
    forgotten = []
    for place, (statement, _) in statements().items():
        if place in UNSEALED or "/test_" in place or place.startswith("worker/probe"):
            continue
        sql = re.sub(r"'[^']*'|--[^\n]*", "", statement.sql)
        for table in SEALED.values():
            if not re.search(rf"\b(from|join|into|update|using)\s+(moothill\.)?{table.name}\b", sql):
                continue
            # A join with another table that has a column of this name is no matter: its own seal is there.
            sealed = {name.partition(".")[2] for name in statement.seals}
            forgotten += [
                f"{place}: {table.name}.{column}"
                for column in table.columns.keys() - sealed
                if re.search(rf"\b{column}\b", sql)
            ]
    assert forgotten == []


def test_a_statement_seals_known_fields_only() -> None:
    text = "-- name: x\n-- It reads.\n-- returns: many\n-- seals: agents.name\nselect 1;"
    with pytest.raises(ValueError, match=r"agents\.name is no sealed field"):
        list(parse_queries(text, "here"))


def test_the_database_has_the_same_list() -> None:
    folder = Path(inspect.getfile(moothill.session)).parent / "migrations"
    text = "\n".join(path.read_text() for path in sorted(folder.glob("*.up.sql")))
    declared = {
        found[1]: {column.strip() for column in found[2].split(",")}
        for found in re.finditer(r"select mt\.seals\('moothill\.(\w+)', '\{([^}]*)\}'", text)
    }
    assert declared == {table.name: set(table.columns) for table in SEALED.values()}
    named = re.search(r"function mt\.is_open_event.*?kind in \(([^)]*)\)", text, re.DOTALL)
    assert named is not None
    assert set(re.findall(r"'([^']+)'", named[1])) == OPEN_EVENTS


# --- key-encryption keys


def key_of(byte: int) -> str:
    return base64.b64encode(bytes([byte]) * 32).decode()


def test_keys_are_read_in_their_order() -> None:
    text = f"# comment\nnew:{key_of(2)}  # the first\n old:{key_of(1)},older:{key_of(0)}\n"
    assert list(parse_keys(text, "x").items()) == [
        ("new", b"\x02" * 32),
        ("old", b"\x01" * 32),
        ("older", b"\x00" * 32),
    ]


@pytest.mark.parametrize("text", ["", "k", "k:AAAA", f":{key_of(1)}", f"a b:{key_of(1)}", f"k:{key_of(1)[:-4]}", "k:*"])
def test_what_is_no_key_is_refused_without_showing_it(text: str) -> None:
    with pytest.raises(KeyEncryptionInvalid) as told:
        parse_keys(text, "here")
    assert key_of(1)[:8] not in told.value.message


def test_an_id_stands_once() -> None:
    with pytest.raises(KeyEncryptionInvalid, match="'k' twice"):
        parse_keys(f"k:{key_of(1)},k:{key_of(2)}", "here")


async def test_older_keys_unwrap_and_the_first_wraps() -> None:
    old = LocalKeys({"a": bytes(32)})
    wrapped = await old.wrap(b"x" * 32, b"t")
    both = LocalKeys({"b": b"b" * 32, "a": bytes(32)})
    assert await both.unwrap(wrapped, b"t") == b"x" * 32
    assert (await both.wrap(b"x" * 32, b"t")).kek == await both.current() == "b"
    with pytest.raises(KeyEncryptionMissing, match="'a' is not configured here"):
        await LocalKeys({"b": b"b" * 32}).unwrap(wrapped, b"t")
    for other in (LocalKeys({"a": b"y" * 32}).unwrap(wrapped, b"t"), both.unwrap(wrapped, b"another")):
        with pytest.raises(KeyEncryptionMissing, match="is not the one that wrapped"):
            await other


async def test_a_file_of_keys_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "keks"
    path.write_text(f"a:{key_of(1)}\n")
    for mode in (0o640, 0o604, 0o660):
        path.chmod(mode)
        with pytest.raises(KeyEncryptionInvalid, match="chmod 600"):
            await KeyFile(path).current()
    path.chmod(0o600)
    assert await KeyFile(path).current() == "a"


async def test_an_embedded_server_makes_its_own_file_once(tmp_path: Path) -> None:
    path = tmp_path / "keks"
    with pytest.raises(KeyEncryptionMissing, match="'gone' cannot be had"):
        await KeyFile(path, makes=True).unwrap(Wrapped("gone", b""), b"")
    assert not path.exists()
    wrapped = await KeyFile(path, makes=True).wrap(b"x" * 32, b"t")
    assert path.stat().st_mode & 0o777 == 0o600
    assert await KeyFile(path, makes=True).unwrap(wrapped, b"t") == b"x" * 32
    assert [each.name for each in tmp_path.iterdir()] == ["keks"]
    with pytest.raises(KeyEncryptionInvalid, match="restore it"):
        await KeyFile(tmp_path / "other").current()


async def test_where_nothing_is_configured_nothing_is_encrypted() -> None:
    none = key_encryption_from(Settings.load({}))
    assert isinstance(none, NoKeys)
    with pytest.raises(EncryptionNotConfigured):
        await none.wrap(b"", b"")
    with pytest.raises(KeyEncryptionMissing, match="'k' is not configured"):
        await none.unwrap(Wrapped("k", b""), b"")


@pytest.mark.parametrize("kms", ["nowhere:at_all", "moothill.kernel.errors:Invalid", "moothill", "os:getcwd"])
def test_a_service_that_is_none_is_refused(kms: str) -> None:
    with pytest.raises(KeyEncryptionInvalid):
        key_encryption_from(Settings.load({}, kms=kms))


def test_one_source_of_keys_is_enough(tmp_path: Path) -> None:
    with pytest.raises(KeyEncryptionInvalid, match="keks and kek_file"):
        key_encryption_from(Settings.load({}, keks=f"a:{key_of(1)}", kek_file=tmp_path / "x"))
