"""Embeddings: what every provider promises, WordLlama without a network, the factory and its plug-ins."""

import asyncio
import importlib
import math
import os
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from moothill.embeddings import (
    EmbeddingAnswerRefused,
    EmbeddingProvider,
    EmbeddingsUnavailable,
    UnknownEmbeddingProvider,
    embed,
    factory,
    model_slug,
    provider_from,
    provider_names,
)
from moothill.embeddings.provider import prepare, unit_rows
from moothill.embeddings.sentence_transformers import SentenceTransformerEmbeddings
from moothill.embeddings.wordllama import MAX_CHARACTERS, WordLlamaEmbeddings
from moothill.kernel.errors import Invalid
from moothill.kernel.settings import Settings

DIMENSIONS = 8


# --- the contract ---------------------------------------------------------------------------------


class Answering:
    """A provider that answers whatever it is told to."""

    name = "answering"
    model = "answering_8"
    dimensions = DIMENSIONS
    local = True
    max_characters = 100

    def __init__(self, answer: Callable[[Sequence[str]], Any]) -> None:
        self.answer = answer
        self.seen: list[str] = []

    async def embed(self, texts: Sequence[str]) -> Any:
        self.seen.extend(texts)
        return self.answer(texts)

    async def close(self) -> None: ...


def ones(texts: Sequence[str]) -> Any:
    return np.ones((len(texts), DIMENSIONS))


def test_texts_are_trimmed_collapsed_and_cut_at_the_limit() -> None:
    assert prepare(["  a\t\n b ", "", " \n", "\ud800x", "a\0b", "x" * 9], 5) == [
        "a b",
        "",
        "",
        "?x",
        "a b",
        "xxxxx",
    ]
    assert prepare(["ab cd"], 3) == ["ab"]


@pytest.mark.parametrize("texts", ["one text", [b"bytes"], ["fine", None]])
def test_what_is_not_a_list_of_texts_is_invalid(texts: Any) -> None:
    with pytest.raises(Invalid):
        prepare(texts, 10)


@given(st.lists(st.text(), max_size=5), st.integers(1, 50))
def test_any_text_can_be_prepared_and_stays_within_the_limit(texts: list[str], limit: int) -> None:
    prepared = prepare(texts, limit)
    assert len(prepared) == len(texts)
    for text in prepared:
        assert len(text) <= limit
        assert text == " ".join(text.encode().decode().split())


@pytest.mark.asyncio
async def test_a_text_without_a_vector_is_none_and_keeps_its_place() -> None:
    def second_unknown(texts: Sequence[str]) -> Any:
        return np.array([[float(text != "unknown")] * DIMENSIONS for text in texts])

    provider = Answering(second_unknown)
    vectors = await embed(provider, ["", "a", "unknown", "  ", "b"])
    assert [vector is None for vector in vectors] == [True, False, True, True, False]
    assert provider.seen == ["a", "unknown", "b"]
    assert vectors[1] is not None
    assert vectors[1].dtype == np.float32
    assert float(np.linalg.norm(vectors[1])) == pytest.approx(1)


@pytest.mark.asyncio
async def test_a_provider_is_not_asked_when_there_is_nothing_to_embed() -> None:
    provider = Answering(ones)
    assert await embed(provider, []) == []
    assert await embed(provider, ["", "\n"]) == [None, None]
    assert provider.seen == []


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "answer",
    [
        lambda texts: np.full((len(texts), DIMENSIONS), np.nan),
        lambda texts: np.full((len(texts), DIMENSIONS), np.inf),
        lambda texts: np.full((len(texts), DIMENSIONS), 1e30),
        lambda texts: np.ones((len(texts), DIMENSIONS + 1)),
        lambda texts: np.ones((len(texts) + 1, DIMENSIONS)),
        lambda texts: np.ones(DIMENSIONS),
        lambda texts: [[1.0], [1.0, 2.0]],
        lambda texts: "vectors",
        lambda texts: None,
        lambda texts: [[10**400] * DIMENSIONS] * len(texts),
    ],
)
async def test_a_third_partys_bad_answer_is_refused(answer: Callable[[Sequence[str]], Any]) -> None:
    with pytest.raises(EmbeddingAnswerRefused):
        await embed(Answering(answer), ["a", "b"])


@given(
    st.lists(
        st.lists(st.floats(-1e15, 1e15), min_size=3, max_size=3),
        min_size=1,
        max_size=4,
    )
)
def test_every_finite_row_becomes_length_one_or_zero(rows: list[list[float]]) -> None:
    unit = unit_rows(rows, count=len(rows), dimensions=3, name="x")
    for row in unit:
        length = math.sqrt(sum(float(value) ** 2 for value in row))
        assert length == pytest.approx(1, abs=1e-6) or not row.any()


# --- slugs ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "dimensions", "slug"),
    [
        ("wordllama", 256, "wordllama_256"),
        ("text-embedding-3-small", 1536, "text_embedding_3_small_1536"),
        ("text-embedding-3-small", 512, "text_embedding_3_small_512"),
    ],
)
def test_a_plain_model_name_gives_a_readable_slug(model: str, dimensions: int, slug: str) -> None:
    assert model_slug(model, dimensions) == slug


def test_models_that_look_alike_never_share_a_slug() -> None:
    names = ["a-b", "a_b", "A-b", "x/a-b", "a--b", "a.b", "ab-", "z" * 40, "z" * 41, "é", "", "模型"]
    assert len({model_slug(name, 8) for name in names}) == len(names)


@given(st.text(), st.integers(1, 4000))
def test_every_slug_is_safe_in_a_table_name(model: str, dimensions: int) -> None:
    try:
        model.encode()
    except UnicodeEncodeError:
        return
    assert re.fullmatch(r"[a-z0-9_]{1,32}", model_slug(model, dimensions))


# --- WordLlama ----------------------------------------------------------------------------------------

OFFLINE = """
import asyncio, logging, sys

def guard(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto"):
        raise AssertionError("the network was tried: " + event)

sys.addaudithook(guard)
from moothill.embeddings.wordllama import WordLlamaEmbeddings
assert "wordllama" not in sys.modules and "numpy" not in sys.modules, "loaded before first use"
rows = asyncio.run(WordLlamaEmbeddings().embed(["send a message to a Slack channel"]))
assert rows.shape == (1, 256) and abs(float((rows ** 2).sum()) - 1) < 1e-5
assert logging.getLogger().handlers == [] and logging.getLogger().level == logging.WARNING
print("ok")
"""


def test_wordllama_works_without_network_home_or_cache_and_leaves_logging_alone(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    environment = {**os.environ, "HOME": str(home), "PYTHONPATH": os.pathsep.join(sys.path)}
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", OFFLINE],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "ok\n", "")
    assert list(home.iterdir()) == []


@pytest.mark.asyncio
async def test_wordllama_finds_the_nearest_meaning() -> None:
    provider = WordLlamaEmbeddings()
    texts = ["manage a kubernetes cluster", "post to a Slack channel", "control a web browser"]
    rows = await provider.embed(texts)
    query = (await provider.embed(["send a message to a Slack channel"]))[0]
    assert int(np.argmax(rows @ query)) == 1


@pytest.mark.asyncio
async def test_wordllama_gives_the_same_vector_alone_and_in_any_batch() -> None:
    provider = WordLlamaEmbeddings()
    texts = ["short", "", "a " * 3000, "🙂" * 5000, "中文", "a middling text about databases", " "] * 90
    rows = await provider.embed(texts)
    assert rows.shape == (len(texts), 256)
    for index in range(7):
        alone = (await provider.embed([texts[index]]))[0]
        for repeat in range(index, len(texts), 7):
            assert np.allclose(rows[repeat], alone, atol=1e-6)
    assert not rows[1].any()
    assert not rows[6].any()
    assert np.isfinite(rows).all()


@pytest.mark.asyncio
async def test_wordllama_reads_no_further_than_its_declared_limit() -> None:
    text = "word " * MAX_CHARACTERS
    rows = await WordLlamaEmbeddings().embed([text, text + "kubernetes " * 500])
    assert np.array_equal(rows[0], rows[1])


@pytest.mark.asyncio
async def test_wordllama_loads_once_when_many_ask_at_the_same_time() -> None:
    rows = await asyncio.gather(*(WordLlamaEmbeddings().embed(["x " * 400]) for _ in range(16)))
    assert all(np.array_equal(row, rows[0]) for row in rows)
    await WordLlamaEmbeddings().close()


def test_a_wordllama_that_cannot_be_loaded_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    library = importlib.import_module("wordllama")
    monkeypatch.setattr("moothill.embeddings.wordllama._loaded", [])
    # An installation without its data files: where the library looks, there is nothing.
    monkeypatch.setattr(library.WordLlama, "get_filename", staticmethod(lambda *_: "missing.safetensors"))
    with pytest.raises(EmbeddingsUnavailable, match="reinstall the package wordllama"):
        asyncio.run(WordLlamaEmbeddings().embed(["x"]))


# --- the factory ----------------------------------------------------------------------------------------


def test_the_default_settings_give_wordllama() -> None:
    provider = provider_from(Settings())
    assert isinstance(provider, EmbeddingProvider)
    assert (provider.name, provider.model, provider.dimensions, provider.local) == (
        "wordllama",
        "wordllama_256",
        256,
        True,
    )


def test_wordllama_has_no_other_dimensions() -> None:
    with pytest.raises(Invalid, match="256 dimensions"):
        provider_from(Settings(embedding_dimensions=512))


def test_the_settings_reach_the_openai_provider() -> None:
    provider = provider_from(
        Settings(
            embedding_provider="openai",
            embedding_model="m",
            embedding_dimensions=16,
            embedding_url="http://h/v1",
        )
    )
    assert isinstance(provider, EmbeddingProvider)
    assert (provider.name, provider.model, provider.dimensions, provider.local) == (
        "openai",
        "m_16",
        16,
        False,
    )
    assert provider_from(Settings(embedding_provider="openai")).dimensions == 1536


def test_a_misspelt_provider_gets_a_near_match() -> None:
    with pytest.raises(UnknownEmbeddingProvider, match='Did you mean "wordllama"'):
        provider_from(Settings(embedding_provider="wordlama"))


def test_a_missing_extra_says_what_to_install_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(EmbeddingsUnavailable) as caught:
        provider_from(Settings(embedding_provider="sentence-transformers"))
    assert str(caught.value) == ("sentence-transformers is not installed; install moothill[sentence-transformers].")


STAND_IN = """
import numpy as np

class SentenceTransformer:
    def __init__(self, source):
        if source == "missing":
            raise OSError(source)

    def encode(self, texts, convert_to_numpy):
        return np.array([[float(len(text))] * 4 for text in texts])
"""


def test_the_sentence_transformers_adapter_loads_on_use_and_checks_the_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The library itself needs gigabytes; this stand-in has the two calls that the adapter makes.
    (tmp_path / "sentence_transformers.py").write_text(STAND_IN)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "sentence_transformers", raising=False)
    provider = SentenceTransformerEmbeddings(model="my-model", dimensions=4)
    assert "sentence_transformers" not in sys.modules
    rows = asyncio.run(provider.embed(["abc", "", "d"]))
    assert np.allclose(rows, [[0.5] * 4, [0.0] * 4, [0.5] * 4])
    asyncio.run(provider.close())
    with pytest.raises(EmbeddingAnswerRefused):
        asyncio.run(SentenceTransformerEmbeddings(model="my-model", dimensions=5).embed(["a"]))
    with pytest.raises(EmbeddingsUnavailable, match="cannot be loaded"):
        asyncio.run(SentenceTransformerEmbeddings(model="missing", dimensions=4).embed(["a"]))
    with pytest.raises(Invalid, match="MOOTHILL_EMBEDDING_DIMENSIONS"):
        SentenceTransformerEmbeddings(model="my-model")
    sys.modules.pop("sentence_transformers")


def made_well(_: Settings) -> Answering:
    return Answering(ones)


def made_badly(_: Settings) -> object:
    provider = Answering(ones)
    provider.model = "Not A Slug"
    return provider


def refusing(_: Settings) -> object:
    raise Invalid("Give the plug-in its setting.")


def broken(_: Settings) -> object:
    raise ZeroDivisionError


@pytest.fixture
def plug_ins(monkeypatch: pytest.MonkeyPatch) -> None:
    points = [
        EntryPoint(name, f"{__name__}:{target}", factory.ENTRY_POINTS)
        for name, target in {
            "good": "made_well",
            "bad": "made_badly",
            "unset": "refusing",
            "broken": "broken",
            "absent": "nothing_here",
            "nothing": "print",
            "wordllama": "broken",
        }.items()
    ]
    monkeypatch.setattr(factory, "entry_points", lambda group: points)


@pytest.mark.usefixtures("plug_ins")
def test_a_package_adds_a_provider_but_cannot_replace_ours() -> None:
    assert provider_from(Settings(embedding_provider="good")).name == "answering"
    assert provider_from(Settings()).name == "wordllama"
    assert "good" in provider_names()


@pytest.mark.usefixtures("plug_ins")
@pytest.mark.parametrize("name", ["bad", "broken", "absent", "nothing"])
def test_a_broken_plug_in_is_named(name: str) -> None:
    with pytest.raises(EmbeddingsUnavailable, match=name):
        provider_from(Settings(embedding_provider=name))


@pytest.mark.usefixtures("plug_ins")
def test_a_plug_ins_own_error_is_handed_on() -> None:
    with pytest.raises(Invalid, match="its setting"):
        provider_from(Settings(embedding_provider="unset"))


def test_importing_the_package_loads_neither_numpy_nor_a_model_nor_an_http_client() -> None:
    code = (
        "import sys, moothill.embeddings; "
        "print([name for name in ('numpy', 'wordllama', 'httpx', 'tokenizers') if name in sys.modules])"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    ran = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert ran.stdout == "[]\n"
