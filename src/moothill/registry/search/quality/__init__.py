"""How good search is: what people make of hits, judged sets to measure by, and the tuning of an index."""
