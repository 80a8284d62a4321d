"""From the text of a statement to its syntax tree: one statement, of a size that can be taken apart in no time."""

from typing import Any

from sqlglot import exp
from sqlglot.errors import ErrorLevel, ParseError, SqlglotError
from sqlglot.tokenizer_core import Token, TokenType

from .errors import SqlRefused, SqlSyntax
from .grammar import AgentDialect, TooManySteps

__all__ = ["MOST_TOKENS", "read"]

MOST_TOKENS = 3_000
# The parser calls itself for each; it must come to an end within Python's own limit.
_DEEPEST = 32
_OPENING = frozenset({TokenType.L_PAREN, TokenType.L_BRACKET, TokenType.L_BRACE, TokenType.CASE})
_CLOSING = frozenset({TokenType.R_PAREN, TokenType.R_BRACKET, TokenType.R_BRACE, TokenType.END})
_UNARY = frozenset({TokenType.NOT, TokenType.DASH, TokenType.PLUS, TokenType.TILDE, TokenType.RLIKE})
_DIALECT = AgentDialect()


def read(text: str) -> exp.Expr:
    """The syntax tree of the one statement in a text.

    Raises:
        SqlSyntax: the text cannot be read.
        SqlRefused: it holds no statement, several, or one that is too large.
    """
    try:
        tokens = _DIALECT.tokenize(text)
        _measure(tokens)
        parser: Any = _DIALECT.parser(error_level=ErrorLevel.IMMEDIATE)
        trees = [
            tree for tree in parser.parse(tokens, text) if tree is not None and not isinstance(tree, exp.Semicolon)
        ]
    except ParseError as error:
        raise _syntax(error) from None
    except (SqlglotError, ValueError, AttributeError, TypeError, IndexError, KeyError):
        # What the parser does not expect it may also stumble over; a text that it cannot read is not run.
        raise SqlSyntax.of("syntax", "This text", "cannot be read as SQL", "write one plain SELECT") from None
    except (RecursionError, TooManySteps):
        raise _too_deep() from None
    if len(trees) != 1:
        raise SqlRefused.of(
            "one_query",
            "A text of several statements" if trees else "An empty text",
            "is not run: one query at a time",
            "give a single SELECT, WITH, VALUES or TABLE",
        )
    (tree,) = trees
    assert isinstance(tree, exp.Expr)
    return tree


def _measure(tokens: list[Token]) -> None:
    if len(tokens) > MOST_TOKENS:
        raise SqlRefused.of(
            "size",
            f"A statement of {len(tokens):,} words",
            f"is too long: {MOST_TOKENS:,} are allowed",
            "give long lists as a parameter, such as `= any(:ids)`",
        )
    depth = row = 0
    before: Token | None = None
    for token in tokens:
        if token.token_type in _OPENING:
            depth += 1
        elif token.token_type in _CLOSING:
            depth -= 1
        row = row + 1 if token.token_type in _UNARY else 0
        if depth > _DEEPEST or row > _DEEPEST:
            raise _too_deep()
        if before is not None and before.token_type == TokenType.NUMBER and before.end + 1 == token.start:
            _after_number(token)
        before = token


def _after_number(token: Token) -> None:
    """A name that touches a number is part of it to PostgreSQL, and an alias to others."""
    if token.text[:1].isalnum() or token.text[:1] == "_":
        raise SqlSyntax.of(
            "syntax", "A number with letters or separators", "is not read here", "write its digits, such as 1000"
        )


def _too_deep() -> SqlRefused:
    return SqlRefused.of(
        "size",
        "A statement this deep",
        f"is not run: {_DEEPEST} levels are allowed",
        "name the inner queries with WITH, one after the other",
    )


def _syntax(error: ParseError) -> SqlSyntax:
    found = error.errors[0] if error.errors else {}
    # The parser's own words hold classes of its own; only those that mean something to a writer of SQL are passed on.
    said = str(found.get("description") or "").rstrip(".")
    place = f" at line {found.get('line')}, column {found.get('col')}" if found.get("line") else ""
    if "sqlglot" in said or not said:
        said = "something is missing"
    return SqlSyntax(
        f"This cannot be read as SQL{place}: {said[0].lower()}{said[1:]}. Write one plain SELECT of PostgreSQL.",
        rule="syntax",
        construct="syntax",
    )
