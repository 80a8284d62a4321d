"""SQL that agents write: read, checked, written anew, and run by a role that must prove its tenant."""

from .desk import NAME, Desk
from .models import SqlAnswer, SqlColumn, SqlRelation
from .service import AgentSql

__all__ = ["NAME", "AgentSql", "Desk", "SqlAnswer", "SqlColumn", "SqlRelation"]
