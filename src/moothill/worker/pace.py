"""How fast the worker goes: leases, polling, tries."""

from dataclasses import dataclass
from datetime import timedelta

__all__ = ["Pace"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """The worker's times and sizes.

    Attributes:
        lease: a leader that does not renew for so long is replaced.
        claim: likewise for the runner of a job.
        poll: longest wait between two looks when no nudge comes.
        glance: shortest wait between two looks at the schedules.
        save: how often handlers that had nothing to do write down how far they are.
        drain: how long stopping waits for what is running.
        first_retry: wait after the first failure of a handler or a step; it doubles each time.
        longest_retry: where the doubling ends.
        handler_attempts: tries of an event before it is dead.
        job_attempts: tries of a step before its job has failed.
        handler_time: longest run of a handler on one event.
        handling: events that are handled at a time; each takes a connection of the pool.
        jobs: jobs that one process runs at a time.
        window: events that a handler reads at a time.
        flush: how often the last uses of keys are written.
    """

    lease: timedelta = timedelta(seconds=15)
    claim: timedelta = timedelta(seconds=30)
    poll: timedelta = timedelta(seconds=5)
    glance: timedelta = timedelta(seconds=1)
    save: timedelta = timedelta(seconds=5)
    drain: timedelta = timedelta(seconds=20)
    first_retry: timedelta = timedelta(seconds=1)
    longest_retry: timedelta = timedelta(minutes=5)
    handler_attempts: int = 8
    job_attempts: int = 5
    handler_time: timedelta = timedelta(seconds=55)
    handling: int = 4
    jobs: int = 2
    window: int = 500
    flush: timedelta = timedelta(seconds=30)

    def retry_after(self, attempts: int) -> timedelta:
        """How long to wait after so many failed tries."""
        doubled = self.first_retry * float(2 ** min(max(attempts - 1, 0), 30))
        return min(doubled, self.longest_retry)
