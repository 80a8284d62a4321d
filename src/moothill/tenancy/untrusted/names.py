"""Names of a statement, and what its writers have in common: they refuse what they do not know."""

import re

from sqlglot import exp

from .errors import SqlRefused

__all__ = ["folded", "quoted", "refuse_rest", "refused"]

_LONGEST_IDENTIFIER = 63
# Flags of the parser that say nothing about what is written.
_SILENT = {
    *("safe", "typed", "only_json_types", "value_constructor", "bracket_notation", "nested", "coalesce"),
    "optional",
}


def folded(identifier: exp.Expr | str | None) -> str:
    """An identifier as PostgreSQL reads it: in lower case unless it was quoted.

    Raises:
        SqlRefused: it is too long, or of the system's own.
    """
    if isinstance(identifier, str):
        name = identifier.lower()
    else:
        if not isinstance(identifier, exp.Identifier):
            raise SqlRefused.of("name", "A name of another form", "is not read here", "write a plain name")
        name = identifier.name
        if not identifier.args.get("quoted"):
            name = "".join(letter.lower() if letter.isascii() else letter for letter in name)
    if not name or "\x00" in name or len(name.encode()) > _LONGEST_IDENTIFIER:
        raise SqlRefused.of("name", "A name", "has 1 to 63 bytes", "shorten it")
    if name.startswith("pg_"):
        raise SqlRefused.of("name", name, "is a name of the system's own", "`sql.schema` lists what can be asked")
    return name


def quoted(name: str) -> str:
    """An identifier that means itself, whatever it holds."""
    return '"' + name.replace('"', '""') + '"'


def refuse_rest(node: exp.Expr, *known: str) -> None:
    """Refuse a node with a part that its writer does not know."""
    for part, value in node.args.items():
        if part in known or part in _SILENT or value is None or value is False or value == [] or value == "":
            continue
        raise SqlRefused.of(
            "construct",
            f"{_named(node)} with {part.strip('_').replace('_', ' ')}",
            "is not among what may be asked",
            "leave it out",
        )


def _named(node: exp.Expr) -> str:
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", type(node).__name__)
    return words.upper() if isinstance(node, exp.DML | exp.DDL | exp.Command) else words


def refused(node: object) -> SqlRefused:
    """What to say of a node that has no writer."""
    if not isinstance(node, exp.Expr):
        return SqlRefused.of("construct", "An incomplete expression", "cannot be run", "complete it")
    if isinstance(node, exp.Star):
        return SqlRefused.of("construct", "*", "stands for columns, not for a value", "name a column")
    if isinstance(node, exp.Parameter | exp.SessionParameter):
        return SqlRefused.of(
            "parameter", "A parameter by number", "is not read here", "write :name and give `parameters`"
        )
    if isinstance(node, exp.UnicodeString | exp.ByteString | exp.RawString | exp.National | exp.Concat):
        return SqlRefused.of(
            "literal", "A text in another notation", "is not read here", "write '...', with '' for a quote"
        )
    if isinstance(node, exp.Dot):
        return SqlRefused.of(
            "construct", "A name with dots", "means something else than a column here", "write table.column"
        )
    return SqlRefused.of(
        "construct", _named(node), "is not among what may be asked", "write it with plain operators and functions"
    )
