"""What a process keeps to answer SQL of agents: a pool, and the statements that it has checked."""

import asyncio
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ...database.untrusted import UntrustedSql
from .models import SqlRelation

if TYPE_CHECKING:
    from .writing import Checked

__all__ = ["NAME", "Desk"]

# Under which a runtime holds it.
NAME = "sql"
_REMEMBERED = 512


class Desk:
    """Checks statements, remembers what came of it, and holds the pool in which they run.

    Args:
        pool: of the role moothill_sql.
    """

    def __init__(self, pool: UntrustedSql) -> None:
        self.pool = pool
        self._relations: dict[str, list[str]] = {}
        self._known: OrderedDict[tuple[str, tuple[tuple[str, str], ...]], Checked] = OrderedDict()

    @property
    def knows_schema(self) -> bool:
        """Whether it has learned what may be asked; that changes with migrations only."""
        return bool(self._relations)

    def learn(self, relations: Sequence[SqlRelation]) -> None:
        """Learn what may be asked."""
        self._relations = {each.name: [column.name for column in each.columns] for each in relations}

    async def checked(self, text: str, kinds: Mapping[str, str]) -> "Checked":
        """The statement that may run instead of a text.

        Raises:
            SqlRefused: it holds what may not be asked.
            ParameterMissing: the text and the parameters do not fit.
        """
        key = (text, tuple(sorted(kinds.items())))
        known = self._known.get(key)
        if known is not None:
            self._known.move_to_end(key)
            return known
        # It takes milliseconds, and a hostile text takes more: the loop serves others meanwhile.
        made = await asyncio.to_thread(_check, text, kinds, self._relations)
        self._known[key] = made
        if len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        return made


def _check(text: str, kinds: Mapping[str, str], relations: Mapping[str, Sequence[str]]) -> "Checked":
    # The parser is large: a process in which nobody asks in SQL never loads it.
    from .writing import check

    return check(text, kinds, relations)
