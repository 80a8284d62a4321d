"""The embedded PostgreSQL server: its programs come from a wheel, its care is ours."""

from .credentials import Dsn, Role
from .errors import (
    BinariesMissing,
    EmbeddedServerFailed,
    EmbeddedServerNotStarted,
    FolderUnusable,
    NoServerAccount,
    OtherMajorVersion,
)
from .folder import default_folder
from .server import Bootstrap, EmbeddedServer, Progress

__all__ = [
    "BinariesMissing",
    "Bootstrap",
    "Dsn",
    "EmbeddedServer",
    "EmbeddedServerFailed",
    "EmbeddedServerNotStarted",
    "FolderUnusable",
    "NoServerAccount",
    "OtherMajorVersion",
    "Progress",
    "Role",
    "default_folder",
]
