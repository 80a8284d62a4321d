"""What is refused of a statement, and by which rule."""

from ...kernel.errors import Invalid

__all__ = ["ParameterMissing", "SqlRefused", "SqlSyntax"]

_LONGEST_NAME = 63


class SqlRefused(Invalid):
    """This statement holds something that is not among what agents may ask."""

    @classmethod
    def of(cls, rule: str, construct: str, why: str, way_out: str) -> "SqlRefused":
        """A refusal.

        Args:
            rule: short name of the rule, for programs and the log.
            construct: what it is about, at most 63 characters of it are kept; never a literal.
            why: the rule in words, as the end of a sentence that begins with the construct.
            way_out: what to do instead.
        """
        name = construct if len(construct) <= _LONGEST_NAME else f"{construct[: _LONGEST_NAME - 1]}…"
        return cls(f"{name} {why}; {way_out}.", rule=rule, construct=name)


class SqlSyntax(SqlRefused):
    """This text cannot be read as SQL."""


class ParameterMissing(Invalid):
    """The statement names a parameter that was not given, or one was given that it does not name."""
