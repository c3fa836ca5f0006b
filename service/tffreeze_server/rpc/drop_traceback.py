"""Exceptions of calls that are over.

The frames of an exception hold messages, and often what holds the exception: a future, a task, a local. Such a circle
keeps the megabytes of a call that has failed until Python's collector comes by, which in an idle server is never.
"""

from __future__ import annotations


def drop_traceback(problem: BaseException | None) -> None:
    """Forget where an exception came from, and those before it, once nobody wants to know."""
    while problem is not None:
        problem.__traceback__ = None
        problem = problem.__context__
