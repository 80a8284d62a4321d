"""Jobs: long work step by step, and work that runs by itself on a schedule."""

from .models import JobDetail, ScheduleState
from .service import Jobs

__all__ = ["JobDetail", "Jobs", "ScheduleState"]
