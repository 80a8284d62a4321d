"""`moothill up` in a process of its own, to be killed: `python -m ...server ARGUMENTS`."""

import json
import sys
from pathlib import Path

from moothill.doors.up import Announcement, run
from moothill.kernel.settings import Settings


def announce(told: Announcement) -> None:
    print(json.dumps({"url": told.url, "key_file": str(told.key_file)}), flush=True)


if __name__ == "__main__":
    given = json.loads(sys.argv[1])
    # One key writes from several lanes as fast as it can.
    settings = Settings.load({}, rate_limit=1_000_000, log_level="ERROR", connect_timeout="2s")
    run(settings, folder=Path(given["folder"]), port=given["port"], console=False, announce=announce)
