"""Drop the tracebacks of calls that have ended.

The frames of a traceback hold messages, and often the object that holds the exception: a future, a task, a local. This
reference cycle keeps the megabytes of a failed call until the garbage collector runs, which in an idle server is never.
"""

from __future__ import annotations


def drop_traceback(problem: BaseException | None) -> None:
    """Drop the traceback of an exception, and those of the exceptions it was raised from."""
    while problem is not None:
        problem.__traceback__ = None
        problem = problem.__context__
