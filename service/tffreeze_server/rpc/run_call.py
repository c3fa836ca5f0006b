"""Run a call to its end: an exception becomes one status for the caller and one outcome for the observer."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator

from tffreeze_server.errors import FreezeError, Reason
from tffreeze_server.rpc.call import Call
from tffreeze_server.rpc.drop_traceback import drop_traceback
from tffreeze_server.rpc.limits import CallSettings
from tffreeze_server.rpc.observer import CallOutcome
from tffreeze_server.rpc.status import abort


class Cutoff:
    """Ends running calls when the time for a graceful shutdown is over: each fails with DRAINING."""

    def __init__(self) -> None:
        self.is_now = False
        self._limits: set[asyncio.Timeout] = set()

    def cut(self) -> None:
        """End them."""
        self.is_now = True
        for limit in self._limits:
            limit.reschedule(asyncio.get_running_loop().time())

    @contextlib.contextmanager
    def over(self, limit: asyncio.Timeout) -> Iterator[None]:
        """Let a call that has entered its limit be cut off."""
        self._limits.add(limit)
        try:
            yield
        finally:
            self._limits.discard(limit)


async def run_call(call: Call, body: Callable[[Call], Awaitable[bytes]], cutoff: Cutoff) -> bytes:
    """Run the body of a call.

    Returns:
        Its response; nothing where it sends its responses itself.

    Raises:
        grpc.aio.AbortError: When an error has been sent.
        asyncio.CancelledError: When the caller is gone.

    """
    try:
        # Released before the caller is told, because a caller may never read that.
        with call.until_ended:
            response = await _in_time(call, body, cutoff)
    except asyncio.CancelledError as gone:
        call.observer.ended(_outcome(call, _gone(call)))
        drop_traceback(gone)
        raise
    except Exception as problem:
        error = _for_caller(problem, call)
        call.observer.ended(_outcome(call, error, problem))
        drop_traceback(problem)
    else:
        call.observer.ended(CallOutcome("OK", call.seconds()))
        return response
    await abort(call.context, error)
    return b""


async def _in_time(call: Call, body: Callable[[Call], Awaitable[bytes]], cutoff: Cutoff) -> bytes:
    seconds = call.settings.max_call_seconds
    limit = asyncio.timeout(seconds or None)
    try:
        async with limit:
            with cutoff.over(limit):
                await call.greet()
                return await body(call)
    except TimeoutError:
        if not limit.expired():
            raise
        if cutoff.is_now:
            raise FreezeError(
                Reason.DRAINING, "The server ended before the call did. Try again, at another server."
            ) from None
        raise FreezeError(
            Reason.DEADLINE_EXCEEDED,
            f"The call took longer than {seconds:g} seconds, which is what this server allows.",
        ) from None


def _gone(call: Call) -> FreezeError:
    if call.is_past_deadline():
        return FreezeError(Reason.DEADLINE_EXCEEDED, "The time that the caller gave is over.")
    return FreezeError(Reason.CANCELLED, "The caller went away.")


def _for_caller(problem: Exception, call: Call) -> FreezeError:
    """Make the error that a caller may see. It is a new one, without a traceback."""
    if not isinstance(problem, FreezeError):
        return FreezeError(
            Reason.INTERNAL,
            "The server failed in a way that it should not. Tell its operator the id of this request, "
            f"{call.request_id}.",
        )
    message = _without_paths(problem.message, call.settings)
    subject = _without_paths(problem.subject, call.settings)
    return FreezeError(problem.reason, message, subject=subject, field=problem.field)


def _without_paths(text: str, settings: CallSettings) -> str:
    """Remove paths of the server. No message should hold one; this is a second safeguard."""
    for path in (settings.spool_dir, *settings.model_roots.values()):
        text = text.replace(f"{path}/", "").replace(str(path), "the folder")
    return text


def _outcome(call: Call, error: FreezeError, defect: Exception | None = None) -> CallOutcome:
    if isinstance(defect, FreezeError):
        defect = None
    return CallOutcome(error.reason.name, call.seconds(), error.message, error.subject, defect)
