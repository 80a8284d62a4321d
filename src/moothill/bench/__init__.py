"""`moothill bench`: every published number, reproducible by one command."""
