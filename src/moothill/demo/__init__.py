"""The example society of the demo and the tests: two tenants, forty agents, and what they do.

`load(moot)` brings it to life through public operations. `load_society()` reads and checks the data files
beside this module, `load_judged()` the queries that
evaluate search over them. The data is the project's own; see README.md in this folder.
"""

from .datafiles import InvalidDemoData
from .judged import JudgedQuery, Judgement
from .loading import load
from .society import Society, load_judged, load_society

__all__ = ["InvalidDemoData", "JudgedQuery", "Judgement", "Society", "load", "load_judged", "load_society"]
