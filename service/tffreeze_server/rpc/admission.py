"""Who is let in, who waits, and who is sent away at once.

A call is counted for its caller from its first moment until it has ended; that its caller has read the answer is
not waited for. Once it has said what it wants it needs a place, of which there are as many as jobs that may run
and wait; no caller has all of them. With one it is never sent away again, unless the server ends.

Receiving an upload and working on a model are different resources: the one costs room in the spool and takes as
long as the client likes, the other costs processes and memory. So an upload takes one of `max_uploads` slots
while it comes, gives it back, and only then waits for one of `max_jobs`. A hundred trickling uploads hold up other
uploads, and no job. Among jobs the processes that plan are shared once more: who has the fewest plans in work
comes first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from tffreeze_server.errors import FreezeError, Reason
from tffreeze_server.rpc.limits import CallSettings
from tffreeze_server.rpc.slots import Slots

Changed = Callable[[int, int, int], None]
"""Called with the jobs that run, the calls that wait, and the uploads that come in."""


class Admission:
    """Counts calls. For one event loop.

    Args:
        settings: How many of each there may be.
        changed: Told of every change.

    Attributes:
        uploads: Slots to receive files.
        jobs: Slots to work.
        planners: Slots to plan.

    """

    def __init__(self, settings: CallSettings, changed: Changed) -> None:
        self.uploads = Slots(settings.max_uploads, self._tell)
        self.jobs = Slots(settings.max_jobs, self._tell)
        self.planners = Slots(settings.planning_processes, self._tell, all_for_one=True)
        self._places = Slots(settings.max_jobs + settings.max_queued_jobs, self._tell)
        self._max_jobs_per_caller = settings.max_jobs_per_caller
        self._changed = changed
        self._calls: Counter[str] = Counter()
        self._draining = False

    def check_open(self) -> None:
        """Refuse a call where the server is about to end.

        Raises:
            FreezeError: DRAINING.

        """
        if self._draining:
            raise draining()

    def enter(self, caller: str) -> None:
        """Count a call; `leave` must follow.

        Raises:
            FreezeError: DRAINING; TOO_MANY_JOBS where the caller has as many as it may.

        """
        self.check_open()
        if 0 < self._max_jobs_per_caller <= self._calls[caller]:
            raise FreezeError(
                Reason.TOO_MANY_JOBS,
                f"{caller!r} has {self._calls[caller]} calls here, which is as many as one caller may have at a "
                "time. Wait for one to end.",
                subject=caller,
            )
        self._calls[caller] += 1

    def leave(self, caller: str) -> None:
        """Forget a call."""
        self._calls[caller] -= 1
        if self._calls[caller] <= 0:
            del self._calls[caller]

    def take_place(self, caller: str) -> None:
        """Take a place for a call; `leave_place` must follow.

        Raises:
            FreezeError: TOO_MANY_JOBS.

        """
        if not self._places.take_now(caller):
            raise FreezeError(
                Reason.TOO_MANY_JOBS,
                f"The server has {self._places.taken.total()} calls to work on, and takes no other of {caller!r} now. "
                "Try again later, or at another server.",
            )

    def leave_place(self, caller: str) -> None:
        """Give a place back."""
        self._places.release(caller)

    def drain(self) -> None:
        """Take no more calls, and refuse those that wait."""
        self._draining = True
        self.uploads.refuse(draining)
        self.jobs.refuse(draining)

    def _tell(self) -> None:
        waiting = self.jobs.waiting + self.uploads.waiting
        self._changed(self.jobs.taken.total(), waiting, self.uploads.taken.total())


def draining() -> FreezeError:
    """Build the error of a server that is about to end."""
    return FreezeError(
        Reason.DRAINING, "The server is about to end and takes no new calls. Try again, at another server."
    )
