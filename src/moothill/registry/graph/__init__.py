"""The graph of relationships: walking it, paths in it, pictures of it, and who is central in it."""

from .errors import NotAnalysed
from .models import Centrality, Path, Reached, Traversal
from .service import Graph

__all__ = ["Centrality", "Graph", "NotAnalysed", "Path", "Reached", "Traversal"]
