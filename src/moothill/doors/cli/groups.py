"""What the top-level help shows without importing anything: kept fresh by a test."""

# Name -> (module under commands/, first line of its help).
COMMANDS: dict[str, tuple[str, str]] = {
    "up": ("up", "Start the server: HTTP, console, worker and, where no database is named, an embedded one."),
    "mcp": ("mcp", "Serve agents over MCP on standard input and output."),
    "worker": ("worker", "Run a worker: take tasks, run your functions on them, report how they end."),
    "db": ("db", "Migrations, roles and checks of the database."),
    "batch": ("batch", "Run a file of operations in one transaction: all of them or none."),
    "bench": ("bench", "Measure this machine and print the table."),
    "scan": ("scan", "Look for our keys in files or standard input."),
    "reference": ("reference", "Write the generated pages of the documentation."),
}

# Group -> first line of its help.
GROUPS: dict[str, str] = {
    "accounts": "Service accounts: programs that act in a tenant by themselves, with keys of their own.",
    "agents": "Agents: register, find, watch, and choose them.",
    "audit": "The audit: who changed what, from what to what, and as whom.",
    "capabilities": "What agents can do, under which names, how surely, and what shows it.",
    "erasure": "Erasure: remove an agent or a tenant for good, with a signed report of what went.",
    "encryption": "Encryption of a tenant's content: keys of its own, wrapped by one that the database never sees.",
    "events": "The log of writes: what happened, in an order that readers can resume.",
    "graph": "The graph of relationships: walk it, find paths, draw it, see who is central in it.",
    "jobs": "Long work that runs in the background, and what runs by itself.",
    "keys": "API keys: issue, list, rotate, revoke; find and end those that leaked.",
    "limits": "Limits: what a tenant may use at most, and how much of it it uses.",
    "operations": "What can be done here, and doing several things at once.",
    "privacy": "Privacy: what may be learnt across tenants, under noise, and what it cost.",
    "queues": "Queues: pause and resume them, and give their groups shares and limits.",
    "relationships": "How agents are connected, how surely and how strongly, and what shows it.",
    "retention": "Retention: how long data stays, what holds it, where it goes, and taking everything out.",
    "search": "Find agents, capabilities and everything else that has a text.",
    "sharing": "Sharing: how far a tenant opens itself, what it lets others read, and who came from outside.",
    "sql": "SQL that agents write: one query at a time, over what their tenant may see.",
    "tasks": "Tasks: add them, hand them out, and know what became of each.",
    "tenants": "Societies: make, find, suspend and resume them, and whether they are kept apart.",
}
