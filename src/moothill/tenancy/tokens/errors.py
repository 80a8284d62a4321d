"""What is said of a token that opens nothing; never the token itself, nor what stands in it."""

from ...kernel.errors import Unauthenticated, Unavailable

__all__ = ["IssuerUnavailable", "TokenExpired", "TokenMalformed", "TokenOfNobody", "TokenRefused"]


class TokenMalformed(Unauthenticated):
    """This bearer token cannot be read; ask its issuer for another."""


class TokenExpired(Unauthenticated):
    """This bearer token has expired; ask its issuer for another."""


class TokenRefused(Unauthenticated):
    """This bearer token is not for this server, or nobody that it trusts signed it."""


class TokenOfNobody(Unauthenticated):
    """This bearer token names no tenant or no actor that is in use here."""


class IssuerUnavailable(Unavailable):
    """The issuer of this bearer token does not answer, so its signature cannot be checked; try again."""
