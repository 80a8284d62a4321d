"""How long a value may become: a bound on what a statement makes out of the values that it finds.

PostgreSQL has no limit on the memory of a statement. Joining a text to itself in query upon query doubles it
each time; what is counted here keeps that from going far. One value still may take what PostgreSQL allows any
value, a gigabyte, and a statement its time.
"""

from .errors import SqlRefused

__all__ = ["MOST", "Growth"]

MOST = 2**20
# What an aggregate that gathers rows counts as.
_GATHERED = 32


class Growth:
    """Pieces of which a value is made, multiplied from query to query.

    Within one query the pieces add up, for each operand is written down once; a doubling doubles what it is
    given. What one query makes, the query around it may use as often as it has pieces.
    """

    def __init__(self) -> None:
        self._total = 1
        self._pieces = [1]
        self._doublings = [0]

    def enter(self) -> None:
        """A query begins."""
        self._pieces.append(1)
        self._doublings.append(0)

    def leave(self) -> None:
        """It ends.

        Raises:
            SqlRefused: values may become too long.
        """
        self._total *= self._pieces.pop() << min(self._doublings.pop(), 64)
        if self._total > MOST:
            raise SqlRefused.of(
                "growth",
                "A value made of so many pieces",
                "is not built: query upon query joins or gathers what the one before it joined",
                "join and gather in one place, or ask for the parts",
            )

    def join(self, pieces: int) -> None:
        """Some values become one."""
        self._pieces[-1] += pieces

    def gather(self) -> None:
        """Values of many rows become one."""
        self._pieces[-1] += _GATHERED

    def double(self, times: int = 1) -> None:
        """A value may become twice as long, or twice that."""
        self._doublings[-1] += times
