"""The command line: a command for each operation, made from its signature. No database takes part."""

import json
import shlex
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, cast
from uuid import UUID

import pytest
import typer.main
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import BaseModel, Field

import moothill.moot  # registers every service
from moothill.doors.cli.app import ALIASES, build
from moothill.doors.cli.groups import COMMANDS, GROUPS
from moothill.doors.cli.operations import _value, group_app, group_summaries
from moothill.kernel import REGISTRY, SERVICES, Page, Plan, Service, context, operation, stream
from moothill.kernel.context import Actor, Principal
from moothill.kernel.errors import KINDS, Invalid, all_errors
from moothill.kernel.local import LocalExecutor, Runtime
from moothill.kernel.operation import Operation
from moothill.kernel.paging import Cursor, PageSize, decode_cursor
from moothill.kernel.spelling import spell_cli
from moothill.moot import Moot
from moothill.session import Connecting
from tests.command_line import CommandLine

OURS = {name: service.operations for name, service in SERVICES.items() if service.__module__.startswith("moothill.")}
OPERATIONS = sorted(name for name, found in REGISTRY.items() if found.body.__module__.startswith("moothill."))
Text = Annotated[str, Field(description="A text.")]


class Gadget(BaseModel):
    """What the operations below give."""

    name: str = ""
    heard: dict[str, Any] = {}
    parts: list[dict[str, Any]] = []


class Shape(BaseModel):
    """A model as a parameter."""

    sides: int = Field(3, description="How many.")


class Gadgets(Service, group="gadgets"):
    """Gadgets: made for these tests."""

    @operation(effect="read", scope="gadgets:read", mode="none", example={"name": "a b", "tag": ["x", "y"]})
    async def get(
        self,
        *,
        count: Annotated[int, Field(ge=0, description="How many.")] = 1,
        name: Text,
        tag: Annotated[list[str] | None, Field(description="Tags.")] = None,
        shape: Annotated[Shape | None, Field(description="A shape.")] = None,
        wait: Annotated[timedelta | None, Field(description="How long.")] = None,
        kind: Annotated[Literal["round", "square"], Field(description="Which.")] = "round",
        deep: Annotated[bool, Field(description="Whether deep.")] = False,
    ) -> Gadget:
        """Get one.

        The second paragraph of its documentation.

        Args:
            name: not shown by the command line.
        """
        heard: dict[str, Any] = {"count": count, "tag": tag, "kind": kind, "deep": deep}
        heard |= {"shape": shape and shape.sides, "wait": wait and wait.total_seconds()}
        return Gadget(name=name, heard=heard)

    @operation(effect="read", scope="gadgets:read", mode="none")
    async def list(self, *, limit: PageSize = 2, cursor: Cursor = None) -> Page[Gadget]:
        """List them."""
        place = decode_cursor(["gadgets"], cursor, parts=1)
        start = place[0] + 1 if place else 0
        rows = range(start, min(5, start + limit + 1))
        page = Page[int].cut(rows, limit=limit, query=["gadgets"], key=lambda row: [row])
        return Page(items=[Gadget(name=f"gadget {row}") for row in page.items], next=page.next)

    @operation(effect="write", scope="gadgets:write", mode="none", example={"name": "a"})
    async def put(self, *, name: Text) -> Gadget:
        """Put one."""
        given = context().options
        return Gadget(
            name=name, heard={"key": given.idempotency_key, "reason": given.reason, "deadline": str(given.deadline)}
        )

    @operation(effect="write", scope="gadgets:write", mode="none", example={"content": "a b", "file": "x"})
    async def load(
        self,
        *,
        file: Annotated[str, Field(description="Its name.")] = "-",
        content: Annotated[str | None, Field(description="A text.", json_schema_extra={"source": "file"})] = None,
        fail: Annotated[bool, Field(description="Break off.")] = False,
    ) -> Gadget:
        """Load a file."""
        context().progress(1, 2, "[red]half\x1b")
        context().progress(2, 2, "whole")
        if fail:
            raise all_errors()["conflict"]("It broke off.")
        return Gadget(name=content or "", heard={"file": file})

    @operation(effect="destroy", scope="gadgets:write", mode="none", example={"name": "a"})
    async def purge(self, *, name: Text, reason: Annotated[str, Field(description="Why.")] = "") -> Gadget:
        """Purge one."""
        return Gadget(name=f"purged {name}", heard={"reason": reason})

    @purge.plan
    async def _plan_purge(self, *, name: str, reason: str = "") -> Plan:
        if name == "nothing":
            raise all_errors()["not_found"]("There is no gadget 'nothing'.")
        return Plan(summary=f"Would purge {name}.", counts={"gadgets": 1})

    @operation(effect="read", scope="gadgets:read", mode="none", example={"kind": "conflict"})
    async def fail(self, *, kind: Text) -> Gadget:
        """Fail."""
        raise all_errors()[kind](f"It failed as {kind}.", field="kind")

    @operation(effect="read", scope="gadgets:read", mode="none")
    async def interrupt(self) -> Gadget:
        """Be interrupted."""
        raise KeyboardInterrupt

    @operation(effect="read", scope="gadgets:read", mode="none")
    async def names(self) -> Sequence[str]:
        """Only names."""
        return ["a", "b"]

    @operation(effect="read", scope="gadgets:read", mode="none")
    async def nothing(self) -> None:
        """Give nothing."""

    @operation(effect="read", scope="gadgets:read", mode="none")
    async def word(self) -> str:
        """Give a word."""
        return "word"

    @stream(scope="gadgets:read")
    async def follow(
        self, *, broken: Annotated[bool, Field(description="Break off.")] = False
    ) -> AsyncIterator[Gadget]:
        """Follow them."""
        for name in ("one", "two"):
            yield Gadget(name=name)
        if broken:
            raise all_errors()["unavailable"]("It broke off.")


GADGETS = {name: found for name, found in REGISTRY.items() if name.startswith("gadgets.")}
for _name in GADGETS:
    del REGISTRY[_name]
del SERVICES["gadgets"]


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[CommandLine]:
    """The command line, with the gadgets and without a database behind it."""
    principal = Principal(
        tenant=UUID(int=1),
        tenant_slug="default",
        actor=Actor("operator", UUID(int=2), "tester"),
        scopes=frozenset({"*"}),
    )

    def connect(target: Any, **given: Any) -> Connecting:
        async def opening() -> Moot:
            executor = LocalExecutor(Runtime(cast(Any, None)), principal)
            moot = Moot(executor)
            moot.__dict__["asked"] = (target, given)
            return moot

        return Connecting(opening)

    monkeypatch.setitem(SERVICES, "gadgets", Gadgets)
    for name, found in GADGETS.items():
        monkeypatch.setitem(REGISTRY, name, found)
    monkeypatch.setattr("moothill.session.connect", connect)
    monkeypatch.chdir(tmp_path)
    yield CommandLine(capsys, monkeypatch)


# --- the index that the top-level help shows


def test_the_index_of_groups_is_fresh() -> None:
    """Write `GROUPS` anew when a group comes or its first line changes."""
    summaries = {name: text for name, text in group_summaries().items() if name in OURS}
    assert summaries == GROUPS


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_the_index_of_commands_is_fresh(name: str) -> None:
    command = cast(Any, typer.main.get_command(build(name)))
    first_sentence = command.commands[name].help.partition("\n")[0].partition(". ")[0]
    assert f"{first_sentence.removesuffix('.')}." == COMMANDS[name][1]


def test_no_group_is_named_like_a_command() -> None:
    assert not set(GROUPS) & set(COMMANDS)


def test_an_alias_is_read_only_where_a_command_stands(cli: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(cast(Any, ALIASES), ("gadgets", "import"), "load")
    assert cli("-t", "x", "--json", "gadgets", "import", "-", stdin=b"y").json["name"] == "y"
    assert cli("--json", "gadgets", "get", "import").json["name"] == "import"
    assert cli("gadgets", "gadgets", "import").code == 2


def test_an_alias_leads_to_an_operation() -> None:
    for (group, word), verb in ALIASES.items():
        assert f"{group}.{verb}" in REGISTRY
        assert f"{group}.{word}" not in REGISTRY


# --- every operation is a command


def parameters_of(found: Operation[Any, Any]) -> tuple[list[str], dict[str, Any]]:
    """Names of a command's positional parameters, and its options by flag."""
    group = cast(Any, typer.main.get_command(group_app(found.group)))
    command = group.commands[found.verb.replace("_", "-")]
    arguments = [each.name for each in command.params if each.param_type_name == "argument"]
    options = {flag: each for each in command.params if each.param_type_name == "option" for flag in each.opts}
    return arguments, options


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_operation_is_a_command_with_its_required_plain_parameters_by_position(name: str) -> None:
    found = REGISTRY[name]
    arguments, options = parameters_of(found)
    assert arguments == [each.name for each in found.signature.parameters if each.is_positional or each.is_file]
    for each in found.signature.parameters:
        if each.name not in arguments:
            option = options["--" + each.name.replace("_", "-")]
            assert option.help.startswith(each.description[:20]), each.name
            assert not option.required, "what is missing is told as at every door"
    own = {each.name for each in found.signature.parameters}
    assert ("--dry-run" in options) == (found.effect == "destroy" or "dry_run" in own)
    assert ("--all" in options) == any(each.name == "cursor" for each in found.signature.parameters)


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_example_is_a_line_that_the_command_line_takes(name: str) -> None:

    found = REGISTRY[name]
    # Text that lies in a file is piped in.
    words = shlex.split(spell_cli(found, found.example).rpartition(" | ")[2])[2:]
    group = cast(Any, typer.main.get_command(group_app(found.group)))
    command = group.commands[words[0]]
    given = command.make_context(words[0], words[1:], resilient_parsing=False).params
    for key in found.example:
        if key in {each.name for each in found.signature.parameters if each.is_plain and not each.is_list}:
            assert given[key] is not None, key


@given(
    text=st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1),
    status=st.text("-a ='\"", min_size=1),
)
@example(text="--help", status="--json")
def test_a_spelled_call_is_read_as_it_was_meant_whatever_its_values_begin_with(text: str, status: str) -> None:
    found = REGISTRY["search.find"]
    spelled = spell_cli(found, {"text": text, "kinds": [status, status], "limit": 3, "filters": {"status": [status]}})
    words = shlex.split(spelled)[2:]
    command = cast(Any, typer.main.get_command(group_app("search"))).commands[words[0]]
    taken = command.make_context(words[0], words[1:], resilient_parsing=False).params
    assert (taken["text"], taken["kinds"], taken["limit"]) == (text, [status, status], "3")
    assert json.loads(taken["filters"]) == {"status": [status]}


# --- values


def test_every_form_of_a_value_reaches_the_operation(cli: CommandLine) -> None:
    words = ("--count", "7", "--tag", "x", "--tag", "y", "--wait", "500ms", "--kind", "square", "--deep")
    done = cli("gadgets", "get", "a name", *words, "--shape", '{"sides": 5}', "--json")
    assert (done.code, done.err) == (0, "")
    heard = {"count": 7, "tag": ["x", "y"], "kind": "square", "deep": True, "shape": 5, "wait": 0.5}
    assert done.json == {"name": "a name", "heard": heard, "parts": []}


def test_what_is_not_given_is_left_to_the_operation(cli: CommandLine) -> None:
    heard = cli("--json", "gadgets", "get", "x", "--no-deep").json["heard"]
    assert heard == {"count": 1, "tag": None, "kind": "round", "deep": False, "shape": None, "wait": None}


def test_json_comes_from_the_line_a_file_or_standard_input(cli: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "shape.json").write_text('{"sides": 6}')
    get = ("--json", "gadgets", "get", "x", "--shape")
    assert cli(*get, "@shape.json").json["heard"]["shape"] == 6
    assert cli(*get, "-", stdin=b'{"sides": 7}').json["heard"]["shape"] == 7
    for text, complaint in (("{", "takes JSON"), ("@absent.json", "cannot be read"), ("-", "takes JSON")):
        refused = cli("gadgets", "get", "x", "--shape", text)
        assert (refused.code, refused.out) == (KINDS["invalid"].exit_code, "")
        assert "--shape" in refused.err
        assert complaint in refused.err


def test_a_list_of_numbers_comes_from_a_file_as_well(tmp_path: Path) -> None:
    """Nobody types the 256 numbers of a vector."""
    vector = next(each for each in REGISTRY["search.find"].signature.parameters if each.name == "vector")
    (tmp_path / "vector.json").write_text("[0.5, -1, 2e-3]")
    assert _value(vector, [f"@{tmp_path / 'vector.json'}"]) == [0.5, -1, 0.002]
    assert _value(vector, ["[0.5, 1]"]) == [0.5, 1]
    assert _value(vector, ["0.5", "-1"]) == ["0.5", "-1"]
    assert _value(vector, ["-1"]) == ["-1"]
    with pytest.raises(Invalid, match="cannot be read"):
        _value(vector, ["@absent.json"])
    tags = next(each for each in REGISTRY["agents.register"].signature.parameters if each.name == "tags")
    assert _value(tags, ["@home"]) == ["@home"]


@pytest.mark.parametrize(
    ("words", "field"),
    [
        (("--count", "many"), "count"),
        (("--count", "-1"), "count"),
        (("--kind", "oval"), "kind"),
        (("--wait", "soon"), "wait"),
        (("--shape", '{"sides": "x"}'), "shape.sides"),
        (("--deadline", "soon"), "deadline"),
    ],
)
def test_a_bad_value_is_told_as_at_every_door(cli: CommandLine, words: tuple[str, ...], field: str) -> None:
    done = cli("gadgets", "get", "x", *words, "--json")
    assert done.code == KINDS["invalid"].exit_code
    assert done.problem["context"]["field"] == field


def test_what_usually_lies_in_a_file_is_read_from_it(cli: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("from a file")
    assert cli("gadgets", "load", "text", "--json").json == {
        "name": "from a file",
        "heard": {"file": "text"},
        "parts": [],
    }
    assert cli("gadgets", "load", "text", "--file", "other", "--json").json["heard"] == {"file": "other"}
    assert cli("gadgets", "load", "-", "--json", stdin="é".encode()).json["name"] == "é"
    assert cli("gadgets", "load", "--json").json["heard"] == {"file": "-"}
    (tmp_path / "binary").write_bytes(b"\xff")
    for name, complaint in (("absent", "cannot be read"), ("binary", "not UTF-8")):
        refused = cli("gadgets", "load", name)
        assert refused.code == KINDS["invalid"].exit_code
        assert f"{name}" in refused.err
        assert complaint in refused.err


def test_a_person_sees_the_progress_of_long_work_and_a_program_does_not(cli: CommandLine) -> None:
    assert cli("gadgets", "load").err == ""
    for words in ((), ("--fail",)):
        err = cli("gadgets", "load", *words, is_terminal=True).err
        assert "[red]half\\x1b" in err
        assert "whole" in err
        assert err.count("\x1b[?25l") == err.count("\x1b[?25h") == 1, "the cursor is shown again"


def test_a_value_may_look_like_an_option(cli: CommandLine) -> None:
    assert cli("--json", "gadgets", "get", "--", "--deep").json["name"] == "--deep"


# --- what stands beside the arguments


def test_call_options_reach_the_operation(cli: CommandLine) -> None:
    done = cli("gadgets", "put", "x", "--idempotency-key", "k", "--because", "why", "--deadline", "2s", "--json")
    assert done.json["heard"] == {"key": "k", "reason": "why", "deadline": "0:00:02"}


def test_a_dry_run_shows_the_plan(cli: CommandLine) -> None:
    done = cli("gadgets", "purge", "x", "--dry-run")
    assert "Would purge x." in done.out
    assert cli("gadgets", "purge", "x", "--dry-run", "--json").json["counts"] == {"gadgets": 1}


def test_a_program_must_say_yes_before_it_destroys(cli: CommandLine) -> None:
    refused = cli("gadgets", "purge", "x", stdin=b"y\n")
    assert refused.code == KINDS["invalid"].exit_code
    assert "--yes" in refused.err
    assert "--dry-run" in refused.err
    assert cli("gadgets", "purge", "x", "--yes", "--json").json["name"] == "purged x"


def test_a_person_is_shown_the_plan_and_asked(cli: CommandLine) -> None:
    done = cli("--json", "gadgets", "purge", "x", "--reason", "old", stdin=b"y\n", is_terminal=True)
    assert done.code == 0
    assert "Would purge x." in done.err
    assert done.json["heard"] == {"reason": "old"}
    refused = cli("gadgets", "purge", "x", stdin=b"n\n", is_terminal=True)
    assert refused.code == 1
    assert "purged" not in refused.out
    unknown = cli("gadgets", "purge", "nothing", stdin=b"y\n", is_terminal=True)
    assert unknown.code == KINDS["not_found"].exit_code


def test_all_pages_or_one(cli: CommandLine) -> None:
    first = cli("gadgets", "list")
    assert "gadget 1" in first.out
    assert "gadget 2" not in first.out
    assert "--cursor" in first.err
    cursor = first.err.split("--cursor ")[1].split()[0]
    assert "gadget 2" in cli("gadgets", "list", "--cursor", cursor).out
    whole = cli("gadgets", "list", "--all", "--json").json
    assert [each["name"] for each in whole["items"]] == [f"gadget {number}" for number in range(5)]
    assert whole["next"] is None
    forged = cli("gadgets", "list", "--cursor", "forged")
    assert forged.code == KINDS["invalid"].exit_code


# --- results


def test_results_are_tables_for_people_and_json_for_programs(cli: CommandLine) -> None:
    assert "name" in cli("gadgets", "get", "x").out
    assert cli("gadgets", "names").out == "a\nb\n"
    assert cli("gadgets", "names", "--json").json == ["a", "b"]
    assert cli("gadgets", "word").out == "word\n"
    assert cli("gadgets", "nothing").out == ""
    assert cli("gadgets", "nothing", "--json").json is None


def test_a_stream_is_printed_as_it_comes(cli: CommandLine) -> None:
    assert cli("gadgets", "follow").out == "one\ntwo\n"
    lines = cli("gadgets", "follow", "--json").out.splitlines()
    assert [json.loads(line)["name"] for line in lines] == ["one", "two"]
    broken = cli("gadgets", "follow", "--broken")
    assert (broken.code, broken.out) == (KINDS["unavailable"].exit_code, "one\ntwo\n")


# --- errors


@pytest.mark.parametrize("kind", KINDS)
def test_the_exit_code_tells_the_kind_of_an_error(cli: CommandLine, kind: str) -> None:
    done = cli("gadgets", "fail", kind)
    assert (done.code, done.out) == (KINDS[kind].exit_code, "")
    assert f"It failed as {kind}." in done.err
    assert "Traceback" not in done.err
    problem = cli("gadgets", "fail", kind, "--json").problem
    assert (problem["kind"], problem["status"], problem["context"]) == (kind, KINDS[kind].status, {"field": "kind"})


@pytest.mark.parametrize(
    ("words", "near"),
    [
        (("gadgets", "gett", "x"), "get"),
        (("gadgetz", "get", "x"), "gadgets"),
        (("refrence",), "reference"),
        (("db", "migrat"), "migrate"),
        (("gadgets", "get", "x", "--knd", "round"), "--kind"),
    ],
)
def test_a_wrong_word_brings_the_nearest_right_one(cli: CommandLine, words: tuple[str, ...], near: str) -> None:
    done = cli(*words)
    assert done.code == 2
    assert near in done.err
    assert done.out == ""


def test_a_missing_word_is_named(cli: CommandLine) -> None:
    done = cli("gadgets", "get")
    assert done.code == 2
    assert "name" in done.err


def test_an_interruption_ends_quietly(cli: CommandLine) -> None:
    done = cli("gadgets", "interrupt")
    assert (done.code, done.out) == (130, "")
    assert "Interrupted" in done.err
    assert "Traceback" not in done.err


def test_a_missing_extra_says_what_to_install(cli: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "moothill.doors.mcp", None)
    done = cli("mcp")
    assert done.code == KINDS["invalid"].exit_code
    assert done.err.strip() == 'The MCP door is not installed; run: pip install "moothill[mcp]"'


def test_a_wrong_toolset_is_refused_before_anything_is_opened(cli: CommandLine) -> None:
    done = cli("mcp", "--toolset", "everything")
    assert done.code == KINDS["invalid"].exit_code
    assert "agent" in done.err


# --- help


def test_help_shows_what_the_operation_says_of_itself(cli: CommandLine) -> None:
    help_of = cli("gadgets", "get", "--help").out
    assert "Get one." in help_of
    assert "second paragraph" in help_of
    assert "not shown" not in help_of
    assert "moothill gadgets get" in help_of
    assert "Gadgets: made for these tests." in cli("gadgets", "--help").out


def test_nothing_said_shows_the_help(cli: CommandLine) -> None:
    for words in ((), ("gadgets",), ("db",)):
        done = cli(*words)
        assert "Usage" in done.out + done.err


def test_the_version_is_one_line(cli: CommandLine) -> None:
    assert cli("--version").out == cli("--json", "--version").out == f"moothill {moothill.__version__}\n"


# --- the options before the command


@pytest.mark.parametrize(
    ("words", "target"),
    [
        ((), None),
        (("--url", "http://h:1"), "http://h:1"),
        (("--dsn", "host=db"), "host=db"),
        (("--folder", "here"), "FOLDER/here"),
    ],
)
def test_the_options_before_the_command_choose_where_to_connect(
    cli: CommandLine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, words: tuple[str, ...], target: str | None
) -> None:
    asked: list[Any] = []
    real = moothill.session.connect

    def connect(where: Any, **given: Any) -> Connecting:
        asked.append((where, given["tenant"]))
        found: Connecting = real(where, **given)
        return found

    monkeypatch.setattr("moothill.session.connect", connect)
    assert cli(*words, "-t", "acme", "gadgets", "word").code == 0
    assert asked == [(target and target.replace("FOLDER", str(tmp_path)), "acme")]


# --- completion


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_completes_groups_verbs_and_options(
    cli: CommandLine, monkeypatch: pytest.MonkeyPatch, shell: str
) -> None:
    def offered(line: str) -> str:
        monkeypatch.setenv("_MOOTHILL_COMPLETE", f"complete_{shell}")
        if shell == "bash":
            monkeypatch.setenv("COMP_WORDS", line)
            monkeypatch.setenv("COMP_CWORD", str(len(line.split(" ")) - 1))
        else:
            monkeypatch.setenv("_TYPER_COMPLETE_ARGS", line)
            monkeypatch.setenv("_TYPER_COMPLETE_FISH_ACTION", "get-args")
        return cli().out

    assert "gadgets" in offered("moothill gadg")
    assert "follow" in offered("moothill gadgets fol")
    assert "--kind" in offered("moothill gadgets get --ki")


def test_completion_prints_its_script(cli: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION", "1")
    done = cli("--show-completion", "bash")
    assert done.code == 0
    assert "_MOOTHILL_COMPLETE=complete_bash" in done.out
