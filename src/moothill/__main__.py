"""`python -m moothill`: the command line."""

from .doors.cli import main

main()
