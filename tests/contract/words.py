"""Calls as words: which of them a query or a command line can carry, and how the command line spells them."""

import shlex
from typing import Any

from moothill.kernel.operation import Operation
from moothill.kernel.spelling import spell_cli
from tests.contract.cases import LONG, Case

__all__ = ["fits_text", "misused", "wordless", "words_of"]

_STAND_IN = "stand-in-for-a-long-text"


def fits_text(value: Any, *, is_list: bool) -> bool:
    """Whether a value is one text, or a list one text for each item."""
    if is_list:
        return isinstance(value, list) and bool(value) and all(isinstance(each, str | int | float) for each in value)
    return isinstance(value, str | int | float)


def wordless(operation: Operation[Any, Any], case: Case) -> str:
    """Why no words of the command line make this call; empty when some do."""
    for parameter in operation.signature.parameters:
        if parameter.name in case.options:
            return "the operation has an option of its own with this name"
        value = case.arguments.get(parameter.name)
        if value is None:
            continue
        if parameter.is_file and not isinstance(value, str):
            return "a file holds text"
        if parameter.is_plain and not fits_text(value, is_list=parameter.is_list):
            return "an option of plain text takes no JSON"
        if parameter.bare is bool and not isinstance(value, bool):
            return "a flag takes no value"
    return ""


def misused(operation: Operation[Any, Any], case: Case) -> str:
    """Why the command line refuses the words of this call before it reads any value; empty when it does not."""
    known = {parameter.name: parameter for parameter in operation.signature.parameters}
    if case.arguments.keys() - known.keys():
        return "there is no such option"
    if any(each.is_positional and each.required and name not in case.arguments for name, each in known.items()):
        return "a word is missing"
    if "idempotency_key" in case.options and operation.effect == "read":
        return "a read has no option for a key"
    if "dry_run" in case.options and operation.effect != "destroy":
        return "only what destroys has an option for a dry run"
    return ""


def words_of(operation: Operation[Any, Any], case: Case) -> tuple[list[str], str]:
    """The words of a call as `spell_cli` spells it, without the name of the program; and what is piped to it."""
    # A splitter that looks at each character takes milliseconds for a long text.
    spelled = spell_cli(operation, case.arguments).replace(LONG, _STAND_IN)
    words = [word.replace(_STAND_IN, LONG) for word in shlex.split(spelled)]
    piped = ""
    if words[0] == "printf":
        piped, words = words[2], words[4:]
    last = words[words.index("--") :] if "--" in words else []
    words = words[: len(words) - len(last)]
    unknown = case.arguments.keys() - {parameter.name for parameter in operation.signature.parameters}
    for name, value in [*case.options.items(), *((name, case.arguments[name]) for name in unknown)]:
        words.append(f"--{name.replace('_', '-')}")
        if value is not True:
            words.append(str(value))
    if operation.effect == "destroy":
        words.append("--yes")
    return [*words[1:], *last], piped
