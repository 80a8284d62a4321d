"""What can go wrong with the graph."""

from ...kernel.errors import Conflict, Invalid, NotFound


class NoPath(NotFound):
    """No path of at most so many hops connects these agents under these filters."""


class SameAgent(Invalid):
    """A path has two ends; source and target are the same agent here."""


class NotAnalysed(NotFound):
    """The relationships of this tenant were not analysed yet; `graph.analyse` does it."""


class NoGraphLibrary(Conflict):
    """Analysing a graph needs the library networkit: pip install "moothill[graph]"."""
