"""The MCP door: agents call operations as tools, over standard input and output or over HTTP."""

from .http import mounted
from .server import build_server, serve_stdio
from .tools import TOOLSETS

__all__ = ["TOOLSETS", "build_server", "mounted", "serve_stdio"]
