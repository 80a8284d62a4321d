"""The registry: agents, what they can do, and finding the right one."""
